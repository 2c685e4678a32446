"""VIII. Concurrency: scale out by process type; a type is one process, and the queue is all that they share."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from dev.postgres import free_port
from tests.conftest import ROOT
from tests.factors import domain
from tests.factors.attached import AttachedService
from tests.factors.conftest import Environment, Evidence, Start
from tests.factors.queued import states, wait_until_working
from tests.factors.tools import ask, wait_until

SHARE_OF_ONE = 0.35  # of the time that one worker takes, for four


def test_the_formation_is_declared_once(evidence: Evidence) -> None:
    """FACTORS VIII.1: the Procfile names the process types; whatever else starts the service starts the same."""
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line.strip())
    others = [path for path in (ROOT / "compose.yaml", *(ROOT / "deploy").rglob("*.yaml")) if path.exists()]
    units = {path.name: path.read_text() for path in (ROOT / "deploy/systemd").glob("*.service")}
    started = [set(re.findall(r"\b(?:command|args): \[([^\]]+)\]", path.read_text())) for path in others]
    elsewhere = {word for commands in started for command in commands for word in re.findall(r"[a-z]+", command)}

    assert procfile == {
        "release": "exec python -I -m app migrate",
        "web": "exec python -I -m app web",
        "worker": "exec python -I -m app worker",
    }
    assert not elsewhere or {"web", "worker", "migrate"} <= elsewhere
    assert elsewhere <= {"python", "I", "m", "app", "web", "worker", "migrate"}
    assert {name: re.findall(r"^ExecStart=\S+/(python .*)$", text, re.M) for name, text in units.items()} == {
        "process@.service": ["python -I -m app %i"],  # its instances are called web and worker
        "migrate.service": ["python -I -m app migrate"],
    }
    evidence(f"release, web, worker in the Procfile; the same in {len(others)} manifests and {len(units)} units")


def test_each_process_type_works_without_the_other(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS VIII.2: `web` alone accepts and queues; `worker` alone works the queue off."""
    web = start.ready(DATABASE_URL=fresh_database)
    answers = [web.ask(*domain.write_request()) for _ in range(20)]
    alone = domain.effects(fresh_database)
    web.terminate()

    start("worker", DATABASE_URL=fresh_database)
    wait_until(lambda: len(domain.effects(fresh_database)) == 20)

    assert [answer.status for answer in answers] == [201] * 20
    assert alone == []
    assert sorted(domain.effects(fresh_database)) == sorted(answer.json()["id"] for answer in answers)
    evidence("20 accepted without a worker, all 20 worked off without web")


@pytest.mark.long
def test_four_workers_take_a_fraction_of_the_time_of_one(tmp_path: Path, evidence: Evidence) -> None:
    """FACTORS VIII.3: the demo, as a reader runs it: 40 jobs of 0.5 s, then a kill −9; each effect once."""
    demo = subprocess.run(
        [sys.executable, "-m", "dev.scale"], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    ratio = re.search(r"took (0\.\d+) × the time of one", demo.stdout)
    count = re.search(r"(\d+) orders, (\d+) effects", demo.stdout)

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert ratio is not None
    assert count is not None
    assert float(ratio[1]) <= SHARE_OF_ONE
    assert count[1] == count[2] == "40"
    evidence(f"four workers: {ratio[1]} × the time of one; 40 effects of 40, one worker killed meanwhile")


def test_a_worker_takes_as_many_jobs_at_once_as_it_is_told(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS VIII.3: WORKER_CONCURRENCY is the number, and two workers double it."""
    attached.delay = 0.3
    settings: Environment = {"DATABASE_URL": fresh_database, domain.ATTACHED_URL: attached.url, "WORKER_CONCURRENCY": 3}
    first = start("worker", **settings)
    domain.place_rows(fresh_database, 9)
    wait_until(lambda: len(domain.effects(fresh_database)) == 9)
    of_one = attached.most_at_once

    wait_until_working(fresh_database, first, start("worker", **settings))
    domain.place_rows(fresh_database, 18)
    wait_until(lambda: len(domain.effects(fresh_database)) == 27)

    assert of_one == 3
    assert attached.most_at_once == 6
    evidence(f"WORKER_CONCURRENCY=3: {of_one} at once; two workers: {attached.most_at_once}")


@pytest.mark.race
def test_nothing_outlives_a_killed_parent(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS VIII.4: in the foreground, as many processes as declared, no pid file; kill −9 leaves no orphan."""
    port = free_port()
    web = start.ready("web", DATABASE_URL=fresh_database, PORT=port, WEB_CONCURRENCY=2)
    worker = start("worker", DATABASE_URL=fresh_database)
    wait_until_working(fresh_database, worker)
    children = psutil.Process(web.pid).children(recursive=True)
    serving = [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]
    of_worker = psutil.Process(worker.pid).children(recursive=True)

    web.signal(signal.SIGKILL)
    wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children), 5, "no orphan")

    assert len(serving) == 2
    assert of_worker == []
    assert ask(port, "GET", "/livez").status == 0, "nobody keeps the port"
    assert list(start.cwd.iterdir()) == [], "no pid file, no socket, nothing"
    evidence("WEB_CONCURRENCY=2: two processes, gone with their parent; worker: one process")


@pytest.mark.race
def test_periodic_work_is_done_once_however_many_workers_there_are(
    start: Start, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS VIII.5: three workers that start together all want to enqueue the tick that has just been."""
    workers = [start("worker", DATABASE_URL=fresh_database) for _ in range(3)]
    wait_until_working(fresh_database, *workers)
    wait_until(lambda: "succeeded" in states(fresh_database, domain.PERIODIC_TASK))
    for worker in workers:
        worker.terminate()

    with psycopg.connect(fresh_database) as connection:
        statement = "SELECT count(*), count(DISTINCT args ->> 'timestamp') FROM procrastinate_jobs WHERE task_name = %s"
        row = connection.execute(statement, (domain.PERIODIC_TASK,)).fetchone()
    runs = [event for worker in workers for event in worker.events("job") if event["task"] == domain.PERIODIC_TASK]

    assert row is not None
    assert row[0] == row[1] >= 1
    assert len(runs) == row[0]
    evidence(f"three workers, {row[1]} tick(s), {len(runs)} run(s)")


def test_a_worker_keeps_to_its_connections(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS VIII.6: DATABASE_POOL_SIZE and 4 more, whatever WORKER_CONCURRENCY is, and named by their process."""
    attached.delay = 0.02
    settings: Environment = {"DATABASE_POOL_SIZE": 2, "WORKER_CONCURRENCY": 20, domain.ATTACHED_URL: attached.url}
    worker = start("worker", DATABASE_URL=fresh_database, **settings)
    wait_until_working(fresh_database, worker)
    statement = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%/worker'"
    most = 0

    with psycopg.connect(fresh_database, autocommit=True) as connection:
        domain.place_rows(fresh_database, 100)
        deadline = time.monotonic() + 30
        while len(domain.effects(fresh_database)) < 100:
            most = max(most, connection.execute(statement).rowcount)
            assert time.monotonic() < deadline

    assert 4 <= most <= 2 + 4
    evidence(f"DATABASE_POOL_SIZE=2, 20 jobs at once: {most} connections")
