"""`migrate`: bring the schema to the newest revision, once, however many ask for it at the same time (factor XII)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from structlog.typing import FilteringBoundLogger

from app.connections import connect_once, wait_until_reachable
from app.errors import LockNotObtained
from app.settings import Settings

DATABASE_WAIT_SECONDS = 20.0  # a database that starts together with its first migration
MIGRATION_LOCK = 0x12FAC  # any number that only migrations of this service use
MIGRATION_LOCK_WAIT_SECONDS = 60  # another `migrate` may be at work; then there is nothing left to do
TABLE_LOCK_WAIT_SECONDS = 1  # while DDL waits for a table, every request to it waits behind: so not for long,
TABLE_LOCK_TRIES = 15  # but several times

log: FilteringBoundLogger = structlog.get_logger(__name__)


def migrate(settings: Settings) -> None:
    """Upgrade to the newest revision. Raise `DatabaseUnavailable` or `LockNotObtained`, with nothing changed.

    All revisions are one transaction, since PostgreSQL's DDL is transactional: a process that is killed in the middle
    leaves the schema as it was. DATABASE_TIMEOUT_SECONDS does not apply: building an index takes what it takes.
    """
    engine = connect_once(settings, "migrate", statement_timeout="0", idle_in_transaction_session_timeout="0")
    wait_until_reachable(engine, DATABASE_WAIT_SECONDS)
    for attempt in range(1, TABLE_LOCK_TRIES + 1):
        try:
            with _only_migration(engine) as connection:
                before = current_revision(connection)
                run_alembic(connection, "upgrade", "head")
                after = current_revision(connection)
            log.info("schema migrated" if before != after else "schema is up to date", before=before, after=after)
            return
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            log.info("table is locked", attempt=attempt, attempts=TABLE_LOCK_TRIES)
            time.sleep(0.5)  # lets the requests through that queued up behind us
    raise LockNotObtained(f"A table stayed locked through {TABLE_LOCK_TRIES} attempts of {TABLE_LOCK_WAIT_SECONDS} s.")


@contextmanager
def _only_migration(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other `migrate` runs beside; the lock goes with it, also on kill −9."""
    with engine.begin() as connection:
        # Without it a killed migration's statement runs on in the server, and holds its locks until it ends
        connection.execute(text("SET LOCAL client_connection_check_interval = '1s'"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{MIGRATION_LOCK_WAIT_SECONDS}s'"))
        try:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        except OperationalError as error:
            if isinstance(error.orig, LockNotAvailable):
                raise LockNotObtained(f"Another migration ran for over {MIGRATION_LOCK_WAIT_SECONDS} s.") from error
            raise
        connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_LOCK_WAIT_SECONDS}s'"))
        yield connection


def current_revision(connection: Connection) -> str | None:
    """The schema's revision; None before the first migration."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def run_alembic(connection: Connection, verb: str, revision: str | None = None) -> None:
    """Run one of alembic's commands (`upgrade`, `downgrade`, `check`, …) inside the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    arguments = [] if revision is None else [revision]
    getattr(command, verb)(config, *arguments)
