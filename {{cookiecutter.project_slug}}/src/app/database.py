"""The database as an attached resource: one URL, one deadline for a unit of work, and it may go away (factor IV).

Reads go through `reading()`, an autocommit connection that saves BEGIN and ROLLBACK; writes through `transaction()`,
which has committed when the block ends, so that nothing is acknowledged before it is safe.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from app.connections import as_unavailable, connect_with, refuse_closed_connection, shut_down_at
from app.errors import SchemaOutdated
from app.settings import Settings

REQUIRED_REVISION = "0002"  # the oldest schema that this code runs on; a newer one is fine: expand, then contract


class Base(DeclarativeBase):
    """The tables that this service owns."""


class Database:
    """The connections of one process: a pool of DATABASE_POOL_SIZE, opened as they are needed."""

    def __init__(self, settings: Settings, process: str) -> None:
        self._timeout_seconds = settings.database_timeout_seconds
        self._reading = create_async_engine(
            "postgresql+psycopg://",
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=3600,  # the deadline is sooner
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )
        self._writing = self._reading.execution_options(isolation_level="READ COMMITTED")
        connect_with(self._reading.sync_engine, settings, process)
        event.listen(self._reading.sync_engine, "checkout", refuse_closed_connection)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for statements that each stand alone; raise `DatabaseUnavailable` at the deadline."""
        return self._within_deadline(self._reading)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements are committed together when the block ends, or not at all.

        Raise `DatabaseUnavailable` when the deadline passes, also when it is the commit that did not come through.
        """
        async with self._within_deadline(self._writing) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def _within_deadline(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """One deadline over waiting for the pool, connecting, every statement, and the commit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_seconds
        with as_unavailable(self._timeout_seconds):
            async with asyncio.timeout_at(deadline):
                connection = await engine.connect()
            # From here on a cancelled task would not do: psycopg waits for its own cancel request, for 10 s and more
            # when the server is a black hole. A socket that is shut down ends every wait at once, and the pool heals.
            with shut_down_at(deadline, _driver_connection(connection)):
                try:
                    yield connection
                finally:
                    await connection.close()

    async def require_schema(self) -> None:
        """Return when the schema is as new as this code needs; raise `SchemaOutdated` or `DatabaseUnavailable`."""
        revision = await self._schema_revision()
        if revision is None or revision < REQUIRED_REVISION:
            has = f"is at revision {revision}" if revision else "has no revision yet"
            raise SchemaOutdated(f"The schema {has}; this release needs {REQUIRED_REVISION}: run `migrate`.")

    async def _schema_revision(self) -> str | None:
        try:
            async with self.reading() as connection:
                revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
                return revision
        except SchemaOutdated:  # not even the table of revisions: before the first migration
            return None

    async def close(self) -> None:
        """Close every connection that is not in use."""
        await self._reading.dispose()


def _driver_connection(connection: AsyncConnection) -> Any:
    """psycopg's own connection. `get_raw_connection()` is a coroutine, since it may have to connect first."""
    pooled = connection.sync_connection and connection.sync_connection.connection
    return pooled and pooled.driver_connection
