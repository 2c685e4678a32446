"""XII. Admin processes: one-offs run from the same artefact, with the same config, as the long-running processes."""

import json
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
import pytest

import app
from app.connections import connect_once
from app.migrate import current_revision, run_alembic
from app.settings import Settings
from tests.factors import domain
from tests.factors.conftest import Evidence, Start
from tests.factors.image import COMMIT, containers, docker
from tests.factors.tools import HOST, Line, Load, Process, run_copy, wait_until

ONE_MORE = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "{previous}", None, None
def upgrade() -> None:
    op.execute("{statement}")
def downgrade() -> None:
    op.execute("ALTER TABLE {table} DROP COLUMN one_more")
"""


def with_one_more_revision(folder: Path, statement: str) -> tuple[str, ...]:
    """How to start a copy of the code whose newest revision runs `statement`."""
    shutil.copytree(Path(app.__file__).parent, folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    versions = folder / "app" / "migrations" / "versions"
    newest = max(path.name[:4] for path in versions.glob("[0-9]*.py"))
    text = ONE_MORE.format(previous=newest, statement=statement, table=domain.TABLE)
    (versions / "9999_one_more.py").write_text(text)
    return run_copy(folder)


def revision_of(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else ""


def run_console(start: Start, database_url: str, script: str, **settings: str) -> Process:
    """Pipe a script into `console`, wait for its end."""
    console = start.using(stdin=subprocess.PIPE)("console", DATABASE_URL=database_url, **settings)
    assert console.popen.stdin is not None
    console.popen.stdin.write(script.encode())
    console.popen.stdin.close()
    console.wait()
    return console


def test_one_offs_are_the_same_artefact_with_the_same_settings(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS XII.1: console and config see the code, the interpreter and the settings that web runs with."""
    web = start.ready(DATABASE_URL=database)
    script = "import sys, app\nprint(sys.executable, app.__file__, settings.drain_seconds, settings.release, sep='\\n')"

    console = run_console(start, database, script)
    config = start("config", DATABASE_URL=database)
    config.wait()

    executable, package, drain_seconds, release = console.output.decode().splitlines()
    assert psutil.Process(web.pid).cmdline()[0] == executable
    assert package == app.__file__
    assert {f"DRAIN_SECONDS={drain_seconds}", f"RELEASE={release}"} <= set(config.output.decode().splitlines())
    evidence("console, config and web: one interpreter, one package, the same settings")


def test_one_offs_run_from_the_image_that_serves(
    contained: Start, label: str, empty_database: str, evidence: Evidence
) -> None:
    """FACTORS XII.1: the image has its admin commands inside: the same code, interpreter and settings as web."""
    settings = {"DATABASE_URL": empty_database, "RELEASE": "r1", "SEED_ORDERS": "5"}
    script = "import os, sys, app\nprint(os.readlink('/proc/self/exe'), app.__file__, settings.release, sep='\\n')"

    codes = [contained(command, **settings).wait() for command in ("migrate", "seed")]
    web = contained.ready(**settings)
    [served_by] = containers(label)
    console = run_console(contained, empty_database, script, RELEASE="r1")
    config = contained("config", **settings)
    codes += [console.wait(), config.wait()]

    look = "import os, app; print(os.readlink('/proc/1/exe'), app.__file__, sep='\\n')"
    seen = docker("exec", served_by, "python", "-I", "-c", look).splitlines()
    assert codes == [0] * 4
    assert console.output.decode().splitlines() == [*seen, "r1"]
    assert b"RELEASE=r1" in config.output.splitlines()
    assert web.ask("GET", "/version").json()["commit"] == COMMIT
    assert len(domain.stored_ids(empty_database)) == 5
    evidence("migrate, seed, console, config: exit 0, by the interpreter and the package that serve")


def test_migrate_again_is_a_no_op(start: Start, empty_database: str, evidence: Evidence) -> None:
    """FACTORS XII.2: to migrate what is migrated does nothing, and says so."""
    first, second = (start("migrate", DATABASE_URL=empty_database) for _ in range(2))
    codes = [first.wait(), second.wait()]

    third = start("migrate", DATABASE_URL=empty_database)
    codes.append(third.wait())

    assert codes == [0, 0, 0]
    assert third.events("schema is up to date")
    evidence(f"at {revision_of(empty_database)}: exit 0, nothing done")


@pytest.mark.race
def test_five_migrations_at_once_are_one(start: Start, empty_database: str, evidence: Evidence) -> None:
    """FACTORS XII.2: every replica of a careless platform may run it: one works, the others wait, all exit 0."""
    runs = [start("migrate", DATABASE_URL=empty_database) for _ in range(5)]

    codes = [run.wait(60) for run in runs]

    assert codes == [0] * 5
    assert sum(len(run.events("schema migrated")) for run in runs) == 1
    evidence(f"5 at once: exits {codes}, the schema migrated once")


@pytest.mark.race
def test_a_migration_waits_for_a_database_that_comes_late(
    start: Start, fresh_database: str, evidence: Evidence, line: Line
) -> None:
    """FACTORS XII.2: a release starts while its database does."""
    attempts = 5  # connections; libpq makes up to two of them for one try
    line.cut()
    migrate = start("migrate", DATABASE_URL=line.through(fresh_database))
    with socket.create_server((HOST, line.port)) as no_database:
        no_database.settimeout(10)
        for _ in range(attempts):
            no_database.accept()[0].close()

    line.mend()
    code = migrate.wait(20)

    assert code == 0
    evidence(f"{attempts} connections in vain, then the database: exit 0")


@pytest.mark.long
@pytest.mark.race
def test_a_migration_that_cannot_work_ends_by_itself(
    start: Start, fresh_database: str, tmp_path: Path, line: Line, evidence: Evidence
) -> None:
    """FACTORS XII.2: database away: exit 69; table locked by others: exit 75; both within about 20 s."""
    line.cut()
    locking = with_one_more_revision(tmp_path / "next", f"ALTER TABLE {domain.TABLE} ADD COLUMN one_more text")

    with domain.locked(fresh_database):
        away = start("migrate", DATABASE_URL=line.through(fresh_database), DATABASE_TIMEOUT_SECONDS=2)
        locked = start.using(program=locking)("migrate", DATABASE_URL=fresh_database)
        codes = [away.wait(40), locked.wait(40)]

    ended = [process.lines[-1][0] - process.started for process in (away, locked)]
    assert codes == [69, 75]
    assert len(away.lines) == 1
    assert max(ended) < 35
    assert [process.events()[-1]["event"] for process in (away, locked)] == ["command failed"] * 2
    evidence(f"database away: exit 69 after {ended[0]:.0f} s; table locked: exit 75 after {ended[1]:.0f} s")


@pytest.mark.race
def test_a_killed_migration_is_completed_by_the_next(
    start: Start, fresh_database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS XII.2: kill −9 in the middle of a long statement: nothing is half done, and nothing stays locked."""
    statement = f"ALTER TABLE {domain.TABLE} ADD COLUMN one_more text; SELECT pg_sleep(600)"
    slow = with_one_more_revision(tmp_path / "slow", statement)
    quick = with_one_more_revision(tmp_path / "quick", f"ALTER TABLE {domain.TABLE} ADD COLUMN one_more text")
    before = revision_of(fresh_database)

    killed = start.using(program=slow)("migrate", DATABASE_URL=fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        asleep = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
        wait_until(lambda: connection.execute(asleep).fetchone(), 15, "the statement")
    killed.signal(signal.SIGKILL)
    killed.wait()
    after_kill = revision_of(fresh_database)
    began = time.monotonic()
    code = start.using(program=quick)("migrate", DATABASE_URL=fresh_database).wait(30)
    took = time.monotonic() - began

    assert after_kill == before
    assert (code, revision_of(fresh_database)) == (0, "9999")
    assert took < 15
    evidence(f"kill −9 in the middle: still at {before}; the next run completes in {took:.1f} s")


@pytest.mark.race
def test_a_migration_under_load_keeps_nobody_waiting(
    start: Start, fresh_database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS XII.2: DDL queues behind a long reader, and requests behind DDL: so it never waits long."""
    web = start.ready(DATABASE_URL=fresh_database)
    release = with_one_more_revision(tmp_path / "next", f"ALTER TABLE {domain.TABLE} ADD COLUMN one_more text")

    with Load(lambda: [web.port], clients=4, pause=0.02, make=domain.read_request) as load:
        with psycopg.connect(fresh_database) as reader:
            reader.execute(f"SELECT count(*) FROM {domain.TABLE}")  # and its transaction stays open
            migrate = start.using(program=release)("migrate", DATABASE_URL=fresh_database)
            migrate.wait_for_event("table is locked")
            wait_until(lambda: len(migrate.events("table is locked")) >= 2)
        code = migrate.wait(30)

    slowest = max(answer.seconds for _, answer in load.answers)
    assert code == 0
    assert load.failed() == []
    assert slowest <= 2
    evidence(f"0 of {len(load.answers)} requests failed beside a locked-out migration, the slowest {slowest:.2f} s")


def test_models_and_migrations_say_the_same(empty_database: str, evidence: Evidence) -> None:
    """FACTORS XII.2: zero → head → zero → head, and `alembic check` finds nothing to add."""
    settings = Settings.model_validate({"DATABASE_URL": empty_database})
    engine = connect_once(settings, "migrate")
    revisions = []

    for verb, revision in (("upgrade", "head"), ("check", None), ("downgrade", "base"), ("upgrade", "head")):
        with engine.begin() as connection:
            run_alembic(connection, verb, revision)
            revisions.append(current_revision(connection))

    assert revisions[0] == revisions[1] == revisions[3] == revision_of(empty_database)
    assert revisions[2] is None
    evidence(f"zero → {revisions[0]} → zero → {revisions[3]}; alembic check: no difference")


def test_one_revision_back_keeps_the_data(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS XII.2: a step back and forth again loses no row of what stays."""
    web = start.ready(DATABASE_URL=fresh_database)
    written = {web.ask(*domain.write_request()).json()["id"] for _ in range(5)}
    web.terminate()
    engine = connect_once(Settings.model_validate({"DATABASE_URL": fresh_database}), "migrate")

    with engine.begin() as connection:
        run_alembic(connection, "downgrade", "-1")
        back = current_revision(connection)
    kept = domain.stored_ids(fresh_database)
    with engine.begin() as connection:
        run_alembic(connection, "upgrade", "head")

    assert written == kept == domain.stored_ids(fresh_database)
    evidence(f"back to {back} and forth again: {len(kept)} of {len(written)} rows kept")


def test_seeding_is_repeatable_and_guarded(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS XII.3: twice is once; a database with data of others is left alone unless SEED_CONFIRM says so."""
    codes = [start("seed", DATABASE_URL=fresh_database, SEED_ORDERS=7).wait() for _ in range(2)]
    seeded = domain.stored_ids(fresh_database)
    web = start.ready(DATABASE_URL=fresh_database)
    web.ask(*domain.write_request())

    refused = start("seed", DATABASE_URL=fresh_database, SEED_ORDERS=9)
    codes.append(refused.wait())
    after_refusal = domain.stored_ids(fresh_database)
    codes.append(start("seed", DATABASE_URL=fresh_database, SEED_ORDERS=9, SEED_CONFIRM="yes").wait())

    assert codes == [0, 0, 78, 0]
    assert len(seeded) == 7
    assert len(after_refusal) == 8
    assert list(refused.events()[-1]["problems"]) == ["SEED_CONFIRM"]
    assert len(domain.stored_ids(fresh_database)) == 10
    evidence("7 rows, again 7; with another's row: exit 78, none added; with SEED_CONFIRM=yes: 9 of 9")


@pytest.mark.race
def test_a_killed_seed_is_completed_by_the_next(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS XII.3: kill −9 in the middle, and the next run adds what is missing."""
    killed = start("seed", DATABASE_URL=fresh_database, SEED_ORDERS=500)
    wait_until(lambda: domain.stored_ids(fresh_database), 20, "the first row")
    killed.signal(signal.SIGKILL)
    killed.wait()
    left = len(domain.stored_ids(fresh_database))

    code = start("seed", DATABASE_URL=fresh_database, SEED_ORDERS=500).wait(60)

    assert 0 < left < 500
    assert (code, len(domain.stored_ids(fresh_database))) == (0, 500)
    evidence(f"killed after {left} of 500 rows, completed by the next run: 500")


def test_nothing_seeds_but_seed(start: Start, empty_database: str, evidence: Evidence) -> None:
    """FACTORS XII.3: neither `migrate` nor `web` puts example data into a database."""
    start("migrate", DATABASE_URL=empty_database, SEED_ORDERS=5, SEED_CONFIRM="yes").wait()
    start.ready(DATABASE_URL=empty_database, SEED_ORDERS=5, SEED_CONFIRM="yes")

    assert domain.stored_ids(empty_database) == set()
    evidence("migrate and web with SEED_ORDERS=5: 0 rows")


def test_the_console_keeps_nothing_unless_told(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS XII.4: a script on stdin gets settings and a session; rolled back unless it commits."""
    insert = f"session.execute(text(\"INSERT INTO {domain.TABLE} (item, quantity) VALUES ('x', 1)\"))\n"

    tried = run_console(start, fresh_database, insert + "print(settings.port)\n")
    after_try = domain.stored_ids(fresh_database)
    committed = run_console(start, fresh_database, insert + "session.commit()\n")
    crashed = run_console(start, fresh_database, insert + "raise ValueError('typo')\n")

    assert (tried.wait(), committed.wait(), crashed.wait()) == (0, 0, 1)
    assert tried.output == b"8000\n", "stdout is the script's"
    assert after_try == set()
    assert len(domain.stored_ids(fresh_database)) == 1
    events = [json.loads(text) for text in tried.stderr.splitlines()]
    assert events[-1]["rolled_back"] is True
    assert {event["process"] for event in events} == {"console"}
    assert "ValueError: typo" in crashed.stderr.decode()
    evidence("1 row tried and rolled back, 1 committed, 1 lost with its script's crash; events on stderr")


@pytest.mark.race
def test_one_offs_obey_sigterm_and_open_no_port(
    start: Start, fresh_database: str, line: Line, evidence: Evidence
) -> None:
    """FACTORS XII.5: exit 143, since 0 would tell a platform that the work was done."""
    line.cut()
    one_offs = [
        start("migrate", DATABASE_URL=line.through(fresh_database)),
        start("seed", DATABASE_URL=fresh_database, SEED_ORDERS=100_000),
        start.using(stdin=subprocess.PIPE)("console", DATABASE_URL=fresh_database),
    ]
    wait_until(lambda: domain.stored_ids(fresh_database), 20, "the first row")
    wait_until(lambda: b"console opened" in one_offs[2].stderr, what="the console")
    sockets = [c for process in one_offs for c in psutil.Process(process.pid).net_connections("inet")]

    began = time.monotonic()
    for process in one_offs:
        process.signal(signal.SIGTERM)
    codes = [process.wait(10) for process in one_offs]

    assert codes == [143, 143, 143]
    assert [c for c in sockets if c.status == psutil.CONN_LISTEN] == []
    assert b"Traceback" not in b"".join(process.output + process.stderr for process in one_offs)
    evidence(f"migrate, seed, console: exit 143 within {time.monotonic() - began:.2f} s, no port open")


def test_no_request_can_do_an_admins_work(start: Start, evidence: Evidence) -> None:
    """FACTORS XII.6: the API has no path that migrates, seeds or runs code."""
    contract = start("openapi")
    assert contract.wait() == 0
    paths = json.loads(contract.output)["paths"]

    admin = re.compile(r"migrat|seed|schema|admin|console|eval|exec|sql|reset|debug", re.I)

    assert [path for path in paths if admin.search(path)] == []
    evidence(f"{len(paths)} paths, none for an admin")
