"""The queue as a worker uses it: procrastinate on this service's own connections, and at ease with outages (IV)."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
import structlog
from procrastinate.connector import BaseAsyncConnector, Notify
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb
from sqlalchemy.exc import IntegrityError
from structlog.typing import FilteringBoundLogger

from app.connections import connection_parameters, shut_down_at
from app.database import Database
from app.errors import DatabaseUnavailable
from app.job_runs import RETRY_SECONDS, JobRuns
from app.settings import Settings

LISTEN_CHECK_SECONDS = 5.0  # a LISTEN that hears nothing cannot tell silence from a dead connection

log: FilteringBoundLogger = structlog.get_logger(__name__)


class QueueConnector(BaseAsyncConnector):
    """procrastinate's queries on this service's pool.

    The library's own connector waits for ever in a black hole, reads the password once, and takes four round trips
    for a query: a check of the connection, BEGIN, the query, COMMIT. Here it is the query.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    async def execute_query_all_async(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        parameters = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in arguments.items()}
        async with self._database.reading() as connection:
            result = await connection.exec_driver_sql(query, parameters)
            return [dict(row) for row in result.mappings()]

    async def execute_query_one_async(self, query: str, **arguments: Any) -> dict[str, Any]:
        return (await self.execute_query_all_async(query, **arguments))[0]

    async def execute_query_async(self, query: str, **arguments: Any) -> None:
        await self.execute_query_all_async(query, **arguments)

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Hear of new jobs at once, on a connection that is made again whenever it ends.

        Meanwhile, and behind a PgBouncer that passes no LISTEN on, the worker finds jobs by looking every second.
        """
        while True:
            with contextlib.suppress(psycopg.Error, OSError):
                await self._listen_until_cut(on_notification, channels)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_until_cut(self, on_notification: Notify, channels: Iterable[str]) -> None:
        loop, limit = asyncio.get_running_loop(), self._settings.database_timeout_seconds
        parameters = connection_parameters(self._settings, "worker")
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
            with shut_down_at(loop.time() + limit, connection):
                for channel in channels:
                    await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
            while True:
                async for notification in connection.notifies(timeout=LISTEN_CHECK_SECONDS):
                    await on_notification(channel=notification.channel, payload=notification.payload)
                with shut_down_at(loop.time() + limit, connection):
                    await connection.execute("SELECT")


class JobQueue(JobManager):
    """What procrastinate's worker asks of its queue. An outage is answered with "nothing now".

    The worker as it comes ends when a query fails, with the jobs that it runs left behind.
    """

    def __init__(self, connector: QueueConnector, tasks: Mapping[str, Any], runs: JobRuns) -> None:
        super().__init__(connector)
        self._tasks = tasks
        self._runs = runs
        self._is_reachable = True
        self.worker_id: int | None = None

    async def register_worker(self) -> int:
        self.worker_id = await super().register_worker()
        return self.worker_id

    async def unregister_worker(self, worker_id: int) -> None:
        self.worker_id = None
        with contextlib.suppress(DatabaseUnavailable):  # then the heartbeat's end says the same, a little later
            await super().unregister_worker(worker_id)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Claim the next job that can be run; park those that cannot: an unknown task, arguments without names."""
        try:
            while job := await super().fetch_job(queues, worker_id):
                reason = self._reason_against(job)
                if reason is None:
                    break
                await self._runs.park(job, reason)
        except DatabaseUnavailable as error:
            self._note_reachable(False, str(error), error.cause)
            return None
        except IntegrityError as error:  # a database that lost its last commits forgot us; the next heartbeat tells it
            self._note_reachable(False, "The database does not know this worker.", str(error.orig))
            return None
        self._note_reachable(True)
        return job

    def _reason_against(self, job: Job) -> str | None:
        if job.task_name not in self._tasks:
            return "This release knows no task of this name."
        if not isinstance(job.task_kwargs, dict):
            return "The arguments are no JSON object."
        return None

    async def defer_periodic_job(self, job: Job, periodic_id: str, defer_timestamp: int) -> int | None:
        """Enqueue a periodic job. One that falls into an outage comes when it is over, instead of ending the worker."""
        while True:
            try:
                return await super().defer_periodic_job(job, periodic_id, defer_timestamp)
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_SECONDS)

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Nothing: `app.job_runs` has written the outcome.

        procrastinate would finish the job whoever runs it now, also when this worker was declared dead meanwhile.
        """

    async def retry_job(self, job: Job, *args: Any, **options: Any) -> None:
        """Nothing, like `finish_job`."""

    def _note_reachable(self, is_reachable: bool, reason: str = "", cause: str = "") -> None:
        if is_reachable == self._is_reachable:
            return
        self._is_reachable = is_reachable
        if is_reachable:
            log.info("queue reached again")
        else:
            log.warning("queue not reached", reason=reason, cause=cause)
