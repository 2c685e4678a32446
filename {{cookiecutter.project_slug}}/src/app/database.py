"""The database as an attached resource: one URL, one deadline for a unit of work, and it may go away (factor IV).

Reads go through `reading()`, an autocommit connection that saves BEGIN and ROLLBACK; writes through `transaction()`,
which has committed when the block ends, so that nothing is acknowledged before it is safe.
"""

import asyncio
import contextlib
import math
import os
import select
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from app.errors import DatabaseUnavailable, SchemaOutdated
from app.identity import SERVICE
from app.settings import Settings

REQUIRED_REVISION = "0002"  # the oldest schema that this code runs on; a newer one is fine: expand, then contract

UNDEFINED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)


class Base(DeclarativeBase):
    """The tables that this service owns."""


class Database:
    """The connections of one process: a pool of DATABASE_POOL_SIZE, opened as they are needed."""

    def __init__(self, settings: Settings, process: str) -> None:
        self._timeout_seconds = settings.database_timeout_seconds
        self._writing = create_async_engine(
            "postgresql+psycopg://", pool_size=settings.database_pool_size, max_overflow=0, pool_timeout=3600
        )
        self._reading = self._writing.execution_options(isolation_level="AUTOCOMMIT")
        _connect_with(self._writing.sync_engine, settings, process)
        event.listen(self._writing.sync_engine, "checkout", _refuse_closed_connection)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for statements that each stand alone; raise `DatabaseUnavailable` at the deadline."""
        async with self._within_deadline(self._reading) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements are committed together when the block ends, or not at all.

        Raise `DatabaseUnavailable` when the deadline passes, also when it is the commit that did not come through.
        """
        async with self._within_deadline(self._writing) as connection, connection.begin():
            yield connection

    @contextlib.asynccontextmanager
    async def _within_deadline(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """One deadline over waiting for the pool, connecting, every statement, and the commit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_seconds
        with _as_unavailable(self._timeout_seconds):
            async with asyncio.timeout_at(deadline):
                connection = await engine.connect()
            # From here on a cancelled task would not do: psycopg waits for its own cancel request, for 10 s and more
            # when the server is a black hole. A socket that is shut down ends every wait at once, and the pool heals.
            with shut_down_at(deadline, (await connection.get_raw_connection()).driver_connection):
                try:
                    yield connection
                finally:
                    await connection.close()

    async def schema_revision(self) -> str | None:
        """The schema's revision in the database; None before the first migration."""
        try:
            async with self.reading() as connection:
                revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
                return revision
        except SchemaOutdated:
            return None

    async def close(self) -> None:
        """Close every connection that is not in use."""
        await self._writing.dispose()


def connect_once(settings: Settings, process: str, **options: str) -> Engine:
    """An engine for a one-off: a connection when asked for, none kept; `options` are PostgreSQL's, for its sessions."""
    engine = create_engine("postgresql+psycopg://", poolclass=NullPool)
    _connect_with(engine, settings, process, **options)
    return engine


def connection_parameters(settings: Settings, process: str, **options: str) -> dict[str, Any]:
    """What libpq needs to connect, afresh at each call, so that a rotated password is used by the next connection.

    The server's own limits come along: it must not work on, holding locks, for a client that has given up.
    """
    parameters: dict[str, Any] = dict(conninfo_to_dict(settings.database_url.get_secret_value()))
    if settings.database_password_file:
        parameters["password"] = settings.database_password_file.read_text().rstrip("\r\n")
    milliseconds = math.ceil(settings.database_timeout_seconds * 1000)
    limits = {"statement_timeout": str(milliseconds), "idle_in_transaction_session_timeout": str(2 * milliseconds)}
    wanted = " ".join(f"-c {name}={value}" for name, value in (limits | options).items())
    parameters["options"] = f"{parameters.get('options', '')} {wanted}".strip()
    parameters["application_name"] = f"{SERVICE}/{process}"
    parameters["connect_timeout"] = max(2, math.ceil(settings.database_timeout_seconds))  # libpq's minimum is 2 s
    return parameters


def _connect_with(engine: Engine, settings: Settings, process: str, **options: str) -> None:
    @event.listens_for(engine, "do_connect")
    def _provide(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters.update(connection_parameters(settings, process, **options))


def _refuse_closed_connection(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that the server has closed while it was idle.

    An idle connection is readable only when the server has said goodbye. Asking the kernel costs no round trip, and
    unlike SQLAlchemy's pre-ping it cannot hang in a black hole.
    """
    connection = dbapi_connection.driver_connection
    poll = select.poll()
    if not connection.closed:
        poll.register(connection.fileno(), select.POLLIN)
    if connection.closed or poll.poll(0):
        raise DisconnectionError("closed by the server while idle")


@contextlib.contextmanager
def shut_down_at(deadline: float, connection: Any) -> Iterator[None]:
    """End every wait for the server on this psycopg connection at the deadline, a time of the event loop's clock."""
    ending = asyncio.get_running_loop().call_at(deadline, _shut_down, connection)
    try:
        yield
    finally:
        ending.cancel()


def _shut_down(connection: Any) -> None:
    with (
        contextlib.suppress(OSError, psycopg.Error),  # closed meanwhile
        socket.socket(fileno=os.dup(connection.fileno())) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _as_unavailable(timeout_seconds: float) -> Iterator[None]:
    """Turn what libraries raise when the database does not do its part into the situation it is."""
    try:
        yield
    except (TimeoutError, PoolTimeout):
        raise DatabaseUnavailable(f"The database did not answer within {timeout_seconds:g} s.") from None
    except ProgrammingError as error:
        if isinstance(error.orig, UNDEFINED):
            raise SchemaOutdated("The database's schema is older than this release needs.") from error
        raise
    except (OperationalError, InterfaceError) as error:
        cause = str(error.orig).strip().partition("\n")[0]
        raise DatabaseUnavailable(f"The database is not available ({type(error.orig).__name__}).", cause) from error
    except OSError as error:
        raise DatabaseUnavailable("The database is not available.", str(error)) from error


def wait_until_reachable(engine: Engine, limit_seconds: float) -> None:
    """Return once the database accepts connections; raise `DatabaseUnavailable` when it has not within the limit."""
    deadline = time.monotonic() + limit_seconds
    while True:
        try:
            with _as_unavailable(limit_seconds), engine.connect():
                return
        except DatabaseUnavailable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)
