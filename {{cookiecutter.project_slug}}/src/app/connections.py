"""How this service connects: every connection says who it is, and none waits for ever (factor IV)."""

import asyncio
import contextlib
import math
import os
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, NullPool, create_engine, event
from sqlalchemy.exc import DisconnectionError, InterfaceError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import DatabaseUnavailable, SchemaOutdated
from app.identity import SERVICE
from app.settings import Settings

UNDEFINED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)


def connect_once(settings: Settings, process: str, **options: str) -> Engine:
    """An engine for a one-off: a connection when asked for, none kept; `options` are PostgreSQL's, for its sessions."""
    engine = create_engine("postgresql+psycopg://", poolclass=NullPool)
    connect_with(engine, settings, process, **options)
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


def connect_with(engine: Engine, settings: Settings, process: str, **options: str) -> None:
    """Have an engine make its connections with `connection_parameters`."""

    @event.listens_for(engine, "do_connect")
    def _provide(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters.update(connection_parameters(settings, process, **options))


def refuse_closed_connection(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
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
def as_unavailable(timeout_seconds: float) -> Iterator[None]:
    """Turn what libraries raise when the database does not do its part into the situation it is."""
    try:
        yield
    except (TimeoutError, PoolTimeout):
        raise DatabaseUnavailable(f"The database did not answer within {timeout_seconds:g} s.") from None
    except InternalError as error:
        if isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):  # a standby, until a failover has promoted it
            raise DatabaseUnavailable("The database takes no writes now.", str(error.orig)) from error
        raise
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
            with as_unavailable(limit_seconds), engine.connect():
                return
        except DatabaseUnavailable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)
