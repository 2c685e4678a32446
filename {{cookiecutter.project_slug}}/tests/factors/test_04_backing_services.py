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
from tests.factors.conftest import Evidence, Start
from tests.factors.tools import Line, Load, Process, wait_until

ODD_PASSWORD = "p@ss:/%word"
RECOVERY_SECONDS = 5.0


def end_sessions(database_url: str) -> int:
    """Kill every session of a database but our own; return how many there were."""
    with psycopg.connect(database_url) as connection:
        statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
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
