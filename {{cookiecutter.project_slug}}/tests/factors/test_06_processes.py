"""VI. Processes: stateless, sharing nothing; what must survive is in a backing service before it is acknowledged."""

import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest

from tests.factors import domain
from tests.factors.conftest import Evidence, Start
from tests.factors.image import containers, docker, inspect
from tests.factors.queued import states
from tests.factors.tools import Load, wait_until


def test_two_replicas_are_one_service(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS VI.1: strict round-robin: what one has written the other reads, pages through and recognises."""
    replicas = [start("web", DATABASE_URL=database) for _ in range(2)]
    for replica in replicas:
        replica.wait_until_ready()
    turn = cycle(replicas)

    written = []
    for number in range(10):
        key, body = f"key-{number}-{time.time_ns()}", domain.new_row()
        first = next(turn).ask("POST", domain.COLLECTION, body, Idempotency_Key=key)
        again = next(turn).ask("POST", domain.COLLECTION, body, Idempotency_Key=key)
        assert (first.status, again.status) == (201, 201)
        assert again.json()["id"] == first.json()["id"], "the other one knows the key"
        next(turn)
        assert next(turn).ask("GET", domain.path_of(first.json()["id"])).status == 200
        written.append(first.json()["id"])
    listed: list[str] = []
    cursor = ""
    while len(listed) < len(written):
        page = next(turn).ask("GET", f"{domain.COLLECTION}?limit=3{cursor}").json()
        listed += [row["id"] for row in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"

    assert listed[: len(written)] == written[::-1]
    evidence(f"{len(written)} rows written, repeated, read and paged alternately by 2 replicas")


@pytest.mark.race
def test_a_kill_of_everything_loses_nothing_acknowledged(
    start: Start, fresh_database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS VI.2: kill −9 under load, and the working directory wiped: every 201 is still there."""
    place = tmp_path / "place"
    place.mkdir()
    replicas = [start.using(cwd=place)("web", DATABASE_URL=fresh_database) for _ in range(2)]
    for replica in replicas:
        replica.wait_until_ready()

    with Load(lambda: [r.port for r in replicas], clients=8, pause=0, make=domain.write_request) as load:
        wait_until(lambda: len(load.answers) >= 1000, 60, "1 000 writes")
        for replica in replicas:
            replica.signal(signal.SIGKILL)
    shutil.rmtree(place)

    acknowledged = {answer.json()["id"] for _, answer in load.answers if answer.status == 201}
    fresh = start.ready(DATABASE_URL=fresh_database)
    assert len(acknowledged) >= 1000
    assert acknowledged <= domain.stored_ids(fresh_database)
    assert fresh.ask("GET", domain.path_of(acknowledged.pop())).status == 200
    evidence(f"kill −9 of two replicas: {len(acknowledged) + 1} acknowledged rows, 0 lost")


@pytest.mark.race
def test_a_hundred_racing_retries_write_one_row(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS VI.4: one Idempotency-Key, 100 requests at once on two replicas: one row, the same answer for all."""
    replicas = [start("web", DATABASE_URL=fresh_database) for _ in range(2)]
    for replica in replicas:
        replica.wait_until_ready()
    body = domain.new_row()

    with ThreadPoolExecutor(100) as clients:
        answers = list(
            clients.map(
                lambda number: replicas[number % 2].ask("POST", domain.COLLECTION, body, Idempotency_Key="one-key"),
                range(100),
            )
        )
    other = replicas[0].ask("POST", domain.COLLECTION, {**body, "item": "another"}, Idempotency_Key="one-key")

    assert {answer.status for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(domain.stored_ids(fresh_database)) == 1
    assert other.status == 422
    evidence("100 × 201 with one id, 1 row; another body with that key: 422")


def test_a_commit_that_fails_is_no_201(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS VI.2: the row is committed before the answer, so a failed commit can still become a 503."""
    domain.refuse_commits(fresh_database)
    web = start.ready(DATABASE_URL=fresh_database)

    answer = web.ask(*domain.write_request())

    assert answer.status == 503
    assert domain.stored_ids(fresh_database) == set()
    evidence(f"commit refused by the database: {answer.status}, 0 rows")


@pytest.mark.race
def test_a_job_outlives_the_process_that_enqueued_it(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS VI.3: kill −9 right after the 201: the job was committed with the row."""
    web = start.ready(DATABASE_URL=fresh_database)
    row = web.ask(*domain.write_request()).json()["id"]
    web.signal(signal.SIGKILL)
    web.wait()

    start("worker", DATABASE_URL=fresh_database)
    took = wait_until(lambda: domain.effects(fresh_database) == [row])

    evidence(f"201, kill −9 of that web, job done {took:.1f} s later by a worker that started after it")


def test_a_row_that_is_rolled_back_leaves_no_job(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS VI.3: row and job are one transaction: neither comes without the other."""
    domain.refuse_commits(fresh_database)
    web = start.ready(DATABASE_URL=fresh_database)

    statuses = [web.ask(*domain.write_request()).status for _ in range(3)]

    assert statuses == [503] * 3
    assert states(fresh_database, domain.TASK) == []
    evidence("3 commits refused by the database: 3 × 503, no row, no job")


def test_the_image_needs_nothing_to_write_to(
    contained: Start, label: str, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS VI.5: a read-only root, no volume, not even /tmp: API and jobs work, and nothing is written."""
    web = contained.ready(DATABASE_URL=fresh_database)
    took = time.monotonic() - web.started
    contained("worker", DATABASE_URL=fresh_database)

    written = web.ask("POST", domain.COLLECTION, domain.new_row(), Idempotency_Key="one")
    row = domain.path_of(written.json()["id"])
    paths = (row, f"{domain.COLLECTION}?limit=1", "/livez", "/readyz", "/version", "/docs", "/openapi.json")
    read = [web.ask("GET", path).status for path in paths]
    refused = web.ask("POST", domain.COLLECTION, domain.refused_row())
    wait_until(lambda: domain.effects(fresh_database) == [written.json()["id"]])
    places = [inspect(name) for name in containers(label)]
    changed = [docker("diff", name) + docker("exec", name, "ls", "/dev/shm") for name in containers(label)]

    assert (written.status, set(read), refused.status) == (201, {200}, 422)
    assert [place["HostConfig"]["ReadonlyRootfs"] for place in places] == [True, True]
    assert [place["Mounts"] for place in places] == [[], []]
    assert changed == ["", ""]
    evidence(f"ready {took:.2f} s after `docker run`; {len(read) + 2} requests and a job answered, 0 files written")
