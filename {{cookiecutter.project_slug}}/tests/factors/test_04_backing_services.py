"""IV. Backing services: attached resources, named by URL, which may be swapped, go away and come back."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import make_url

from dev.postgres import throw_away_postgres
from tests.conftest import migrate
from tests.factors import domain
from tests.factors.attached import AttachedService, Call
from tests.factors.conftest import Environment, Evidence, Start, line_to
from tests.factors.queued import states, wait_until_working
from tests.factors.tools import Line, Load, Process, wait_until

ODD_PASSWORD = "p@ss:/%word"
RECOVERY_SECONDS = 5.0


def end_sessions(database_url: str) -> int:
    """Kill every session of a database but our own, wait until they are gone, and return how many there were."""
    with psycopg.connect(database_url) as connection:
        statement = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
        return connection.execute(f"{statement} AND pid <> pg_backend_pid()").rowcount


def sessions(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
        return int(row[0]) if row else 0


@pytest.fixture
def role(database: str) -> Iterator[str]:
    """The name of a role with an odd password, which may do everything in the database."""
    name = f"other_{make_url(database).database}"
    with psycopg.connect(database, autocommit=True) as connection:
        create = SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}")
        connection.execute(create.format(Identifier(name), Literal(ODD_PASSWORD)))
    yield name
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,))
        connection.execute(SQL("DROP ROLE {}").format(Identifier(name)))


def test_the_database_is_swapped_by_its_url_alone(
    start: Start, database: str, line: Line, role: str, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS IV.1: another host, port, user, odd password and scheme are another URL, and nothing else."""
    name = make_url(database).database
    other_url = f"postgres://{role}:{quote(ODD_PASSWORD, safe='')}@localhost:{line.port}/{name}"

    first = start("web", DATABASE_URL=fresh_database)
    second = start("web", DATABASE_URL=other_url)
    for web in (first, second):
        web.wait_until_ready()
    row = second.ask(*domain.write_request()).json()["id"]

    assert row in domain.stored_ids(database)
    assert row not in domain.stored_ids(fresh_database)
    evidence("postgres://other:odd%40password@localhost:other-port: written there and nowhere else")


@pytest.mark.race
def test_a_database_that_is_away_at_start_may_come_later(
    start: Start, database: str, line: Line, evidence: Evidence
) -> None:
    """FACTORS IV.2: up and alive, unready with the reason, 503 with Retry-After; then ready without a restart."""
    line.cut()

    web = start("web", DATABASE_URL=line.through(database), DATABASE_TIMEOUT_SECONDS=2)
    web.wait_until_alive()
    ready, refused = web.ask("GET", "/readyz"), web.ask(*domain.read_request())
    line.mend()
    recovery = wait_until(web.is_ready, RECOVERY_SECONDS, "ready again")

    assert ready.status == 503
    assert "database" in ready.body.decode().lower(), "says the reason"
    assert refused.status == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) >= 1
    assert web.ask(*domain.write_request()).status == 201
    assert web.is_running()
    evidence(f"alive, 503 with the reason and Retry-After; ready {recovery:.2f} s after the database")


@pytest.mark.race
def test_killed_sessions_cost_no_more_than_the_requests_they_served(
    start: Start, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS IV.3: every session is killed under load: errors only meanwhile, clean after, none leaked."""
    web = start.ready(DATABASE_URL=fresh_database, DATABASE_POOL_SIZE=5)

    with Load(lambda: [web.port], clients=8, pause=0.02, make=domain.read_request) as load:
        wait_until(lambda: len(load.answers) > 100)
        killed = end_sessions(fresh_database)
        at = time.monotonic()
        wait_until(lambda: load.answers[-1][0] > at + 2 and not load.failed(at + 1), RECOVERY_SECONDS, "clean again")
    failed = load.failed()

    assert {answer.status for answer in failed} <= {503}
    assert load.failed(since=at + 1) == []
    assert len(failed) <= killed
    assert sessions(fresh_database) <= 5
    evidence(f"{killed} sessions killed: {len(failed)} of {len(load.answers)} requests got 503, none 1 s later")


@pytest.mark.race
def test_a_restarted_server_is_used_again(start: Start, evidence: Evidence) -> None:
    """FACTORS IV.3: the server crashes and restarts under load: 503 meanwhile, clean within 5 s."""
    with throw_away_postgres({"fsync": "on"}) as server:
        migrate(server.url)
        web = start.ready(DATABASE_URL=server.url, DATABASE_POOL_SIZE=5, DATABASE_TIMEOUT_SECONDS=2)
        with Load(lambda: [web.port], clients=4, pause=0.05, make=domain.write_request) as load:
            wait_until(lambda: len(load.answers) > 50)
            server.stop()
            wait_until(load.failed, what="an error")
            server.start()
            back = time.monotonic()
            recovery = wait_until(web.is_ready, RECOVERY_SECONDS, "ready")
            wait_until(lambda: len([a for at, a in load.answers if at > back + recovery and a.status == 201]) > 20)
        acknowledged = {answer.json()["id"] for _, answer in load.answers if answer.status == 201}

        assert {answer.status for answer in load.failed()} == {503}
        assert load.failed(since=back + RECOVERY_SECONDS) == []
        assert acknowledged <= domain.stored_ids(server.url)
        assert sessions(server.url) <= 5
    evidence(f"restart: {len(load.failed())} × 503, clean after {recovery:.2f} s, {len(acknowledged)} rows kept")


@pytest.mark.race
def test_a_database_that_hangs_holds_nobody_longer_than_the_limit(
    start: Start, database: str, line: Line, evidence: Evidence
) -> None:
    """FACTORS IV.4: a black hole takes everything and answers nothing; the limit holds, and SIGTERM still works."""
    limit = 1.0
    url = line.through(database)
    web = start.ready(DATABASE_URL=url, DATABASE_TIMEOUT_SECONDS=limit, DRAIN_SECONDS=0, SHUTDOWN_SECONDS=3)
    line.freeze()

    with Load(lambda: [web.port], clients=20, pause=0.01, make=domain.write_request) as load:
        wait_until(lambda: len(load.answers) >= 20)
        alive = [web.ask("GET", "/livez") for _ in range(20)]
        ready = web.ask("GET", "/readyz")
    stopping = time.monotonic()
    code = web.terminate()
    stopped = time.monotonic() - stopping

    slowest = max(answer.seconds for _, answer in load.answers)
    assert {answer.status for _, answer in load.answers} == {503}
    assert slowest < limit + 1
    assert {answer.status for answer in alive} == {200}
    assert statistics.median(answer.seconds for answer in alive) < 0.1
    assert ready.status == 503
    assert (code, stopped < 3 + 1.5) == (0, True)
    evidence(f"limit {limit:g} s: {len(load.answers)} × 503 within {slowest:.2f} s, SIGTERM: exit 0 in {stopped:.2f} s")


@pytest.mark.race
def test_a_hung_database_is_used_again_when_it_is_back(
    start: Start, database: str, line: Line, evidence: Evidence
) -> None:
    """FACTORS IV.4: what the black hole swallowed is replaced; no restart, no leaked connection."""
    web = start.ready(DATABASE_URL=line.through(database), DATABASE_TIMEOUT_SECONDS=1, DATABASE_POOL_SIZE=3)

    line.freeze()
    during = web.ask(*domain.write_request())
    line.mend()
    recovery = wait_until(web.is_ready, RECOVERY_SECONDS, "ready")
    after = [web.ask(*domain.write_request()) for _ in range(10)]

    assert during.status == 503
    assert {answer.status for answer in after} == {201}
    assert line.connections() <= 3
    evidence(f"503 meanwhile, ready after {recovery:.2f} s, 10 of 10 writes")


@pytest.mark.race
def test_a_rotated_password_needs_no_restart(
    start: Start, database: str, role: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS IV.5: DATABASE_PASSWORD_FILE is read at every new connection."""
    secret = tmp_path / "password"
    secret.write_text(ODD_PASSWORD + "\n")
    url = make_url(database).set(username=role, password="overridden").render_as_string(hide_password=False)
    web = start.ready(DATABASE_URL=url, DATABASE_PASSWORD_FILE=secret)

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SQL("ALTER ROLE {} PASSWORD 'another'").format(Identifier(role)))
    secret.write_text("another\n")
    end_sessions(database)
    statuses = [web.ask(*domain.write_request()).status for _ in range(5)]

    assert statuses == [201] * 5
    evidence("rotated, all sessions ended: 5 of 5 writes over new connections")


def remote_ports(web: Process) -> set[int]:
    return {
        connection.raddr.port
        for connection in psutil.Process(web.pid).net_connections("inet")
        if connection.raddr and connection.laddr.port != web.port
    }


def test_connections_go_where_the_configuration_says(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS IV.6: no telemetry, no update check, no licence server: the database, and nothing else."""
    web = start("web", DATABASE_URL=database)
    seen = remote_ports(web)

    with Load(lambda: [web.port], clients=2, pause=0.05, make=domain.write_request) as load:
        while len([answer for _, answer in load.answers if answer.status == 201]) < 50:
            seen |= remote_ports(web)

    assert seen == {make_url(database).port}
    evidence(f"{len(load.answers)} requests: connections to port {make_url(database).port} only")


@pytest.mark.race
def test_a_worker_waits_for_a_database_that_is_away_at_start(
    start: Start, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS IV.2: it says what it waits for, and works as soon as the database is there."""
    line = line_to(fresh_database)
    line.cut()
    worker = start("worker", DATABASE_URL=line.through(fresh_database), DATABASE_TIMEOUT_SECONDS=2)
    worker.wait_for_event("waiting for the database")
    domain.place_rows(fresh_database)

    line.mend()
    recovery = wait_until(lambda: domain.effects(fresh_database), RECOVERY_SECONDS, "the job's effect")

    assert worker.is_running()
    assert worker.terminate() == 0
    line.close()
    evidence(f"no database at the start: the job ran {recovery:.2f} s after it came")


@pytest.mark.race
@pytest.mark.parametrize("outage", ["cut", "freeze"])
def test_a_job_whose_end_falls_into_an_outage_has_its_effect_after_it(
    outage: str, start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IV.2, IV.4: refused or hanging: neither job nor worker is lost, and no second order is asked for."""
    line = line_to(fresh_database)
    settings: Environment = {"DATABASE_TIMEOUT_SECONDS": 1, domain.ATTACHED_URL: attached.url}
    worker = start("worker", DATABASE_URL=line.through(fresh_database), **settings)
    attached.open.clear()
    domain.place_rows(fresh_database)
    attached.wait_for_calls(1)
    getattr(line, outage)()
    attached.open.set()
    worker.wait_for_event("queue not reached")

    line.mend()
    recovery = wait_until(lambda: domain.effects(fresh_database), RECOVERY_SECONDS, "the job's effect")
    wait_until(lambda: states(fresh_database, domain.TASK) == ["succeeded"])

    assert len({call.key for call in attached.calls}) == 1, "asked again, if at all, for the same order"
    assert worker.terminate() == 0
    line.close()
    evidence(f"{outage} in the middle of a job: its effect {recovery:.2f} s after the database was back")


@pytest.mark.race
def test_a_worker_outlives_killed_sessions_and_a_restarted_server(start: Start, evidence: Evidence) -> None:
    """FACTORS IV.3: neither takes a job, or more than 5 s."""
    with throw_away_postgres({"synchronous_commit": "on"}) as server:
        migrate(server.url)
        worker = start("worker", DATABASE_URL=server.url, DATABASE_TIMEOUT_SECONDS=2)
        wait_until_working(server.url, worker)
        killed = end_sessions(server.url)
        domain.place_rows(server.url, 5)
        after_kill = wait_until(lambda: len(domain.effects(server.url)) == 5, RECOVERY_SECONDS)
        server.stop()
        worker.wait_for_event("queue not reached")
        server.start()
        domain.place_rows(server.url, 5)
        after_restart = wait_until(lambda: len(domain.effects(server.url)) == 10, RECOVERY_SECONDS)

        assert worker.terminate() == 0
    evidence(f"{killed} sessions killed: {after_kill:.2f} s; restarted: {after_restart:.2f} s; 10 jobs, 10 effects")


FAULTS: tuple[int | bytes, ...] = (
    *(408, 425, 429, 500, 503, 302),
    b"",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"\x00" * 100,
    b"HTTP/1.1 2OO OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
)


@pytest.mark.race
def test_an_attached_service_that_fails_delays_what_it_is_asked_for(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IV.4: failure or nonsense is no fault of the job: it comes again, less and less often, until it works."""
    rows = domain.place_rows(fresh_database, len(FAULTS))
    calls: dict[str, list[float]] = {row: [] for row in rows}

    def fail_twice(call: Call) -> int | bytes:
        calls[call.key].append(call.at)
        return 201 if len(calls[call.key]) > 2 else FAULTS[rows.index(call.key)]

    attached.answer = fail_twice
    worker = start("worker", DATABASE_URL=fresh_database, **{domain.ATTACHED_URL: attached.url})
    wait_until(lambda: len(domain.effects(fresh_database)) == len(FAULTS), 20)

    for fault, row in zip(FAULTS, rows, strict=True):
        first, second, third = calls[row]
        assert 0.8 <= second - first < third - second, f"{fault!r:.40}"
    assert {e["outcome"] for e in worker.events("job")} == {"postponed", "succeeded"}
    evidence(f"{len(FAULTS)} kinds of failure, twice each: asked again after about 1 s and 2 s, then all done")


@pytest.mark.race
def test_an_attached_service_that_is_away_or_hangs_holds_up_nothing_else(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IV.4: more rows wait for it than there are jobs at once; other work, and a stop, come through."""
    attached.open.clear()
    settings: Environment = {"WORKER_CONCURRENCY": 2, "DATABASE_POOL_SIZE": 1, "SHUTDOWN_SECONDS": 1}
    settings["DATABASE_TIMEOUT_SECONDS"] = 30  # so that whoever holds the one connection keeps it
    domain.place_rows(fresh_database, 6)
    worker = start("worker", DATABASE_URL=fresh_database, **settings, **{domain.ATTACHED_URL: attached.url})
    wait_until(lambda: attached.most_at_once > 0, 20, "a call")
    wait_until(lambda: attached.most_at_once == 2, 5, "two calls at once: none holds the one connection")

    wait_until(lambda: "succeeded" in states(fresh_database, domain.PERIODIC_TASK), 20, "other work")
    began = time.monotonic()
    code = worker.terminate()
    took = time.monotonic() - began

    assert code == 0
    assert took <= 1 + 3
    assert states(fresh_database, domain.TASK) == ["todo"] * 6
    evidence(f"6 rows wait for a service that hangs: the periodic task ran, SIGTERM took {took:.2f} s")


def test_a_job_that_the_attached_service_refuses_is_parked(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IV.4: 422 will be 422 tomorrow; the job is kept for a person, and asked for once."""
    attached.status = 422
    worker = start("worker", DATABASE_URL=fresh_database, **{domain.ATTACHED_URL: attached.url})

    domain.place_rows(fresh_database)
    wait_until(lambda: [event for event in worker.events("job") if event["outcome"] == "parked"])

    (parked,) = [event for event in worker.events("job") if event["outcome"] == "parked"]
    assert "422" in parked["reason"]
    assert states(fresh_database, domain.TASK) == ["failed"]
    assert len(attached.calls) == 1
    evidence("422: parked after one call, with the reason")
