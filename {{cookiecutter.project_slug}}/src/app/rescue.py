"""Jobs whose worker is gone are run again: each worker shows that it lives and looks after the others (factor IX).

This is a coroutine in every worker, not a job: it must not wait behind 100 000 jobs.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.typing import FilteringBoundLogger

from app.database import Database
from app.errors import DatabaseUnavailable
from app.job_outcomes import MAX_ATTEMPTS
from app.job_queue import JobQueue
from app.job_runs import JobRuns

HEARTBEAT_SECONDS = 2.0
LEASE_SECONDS = 10.0  # without a heartbeat; then a worker counts as dead. Its jobs run again after 13 s at most

BEAT = text("""
    INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE VALUES (:worker_id, now())
    ON CONFLICT (id) DO UPDATE SET last_heartbeat = excluded.last_heartbeat
""")

# What a dead worker held goes back, and the run counts as an attempt: the job may be what killed it. One that was
# there at two deaths gets a lock that only one such job can hold at a time, so that a poison job is soon alone
# with itself, and parked, while those that happened to run beside it are not.
RESCUE = text("""
    UPDATE procrastinate_jobs
    SET status = CASE WHEN attempts + 1 < :max_attempts THEN 'todo' ELSE 'failed' END::procrastinate_job_status,
        attempts = attempts + 1,
        args = CASE WHEN attempts + 1 < :max_attempts THEN args ELSE args || '{"parked": "Its worker died."}' END,
        lock = CASE WHEN attempts + 1 >= 2 THEN COALESCE(lock, 'suspect') ELSE lock END,
        scheduled_at = now(),
        worker_id = NULL
    WHERE id IN (
        SELECT held.id
        FROM procrastinate_jobs AS held
        LEFT JOIN procrastinate_workers AS workers ON workers.id = held.worker_id
        WHERE held.status = 'doing'
          AND (workers.id IS NULL OR workers.last_heartbeat < now() - make_interval(secs => :lease_seconds))
        FOR UPDATE OF held SKIP LOCKED
    )
    RETURNING id, task_name, queue_name, attempts, status::text AS status, args ->> 'request_id' AS request_id
""")

HELD = text("SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = :worker_id")

PUT_BACK = text("""
    UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL
    WHERE id = ANY(:job_ids) AND status = 'doing' AND worker_id = :worker_id
""")

log: FilteringBoundLogger = structlog.get_logger(__name__)


class Rescue:
    """The heartbeat of this worker, and its eye on the others."""

    def __init__(self, database: Database, queue: JobQueue, runs: JobRuns) -> None:
        self._database = database
        self._queue = queue
        self._runs = runs
        self._in_contact_since: float | None = None
        self._not_run: set[int] = set()

    async def run_until(self, has_stopped: asyncio.Event) -> None:
        """Beat, also while jobs end during a stop, when procrastinate's own heartbeat would be over.

        A beat is not cancelled: in a black hole psycopg would take 5 s more to see that it cannot cancel the query.
        """
        while not has_stopped.is_set():
            try:
                await self._beat()
            except DatabaseUnavailable:
                self._in_contact_since = None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(has_stopped.wait(), HEARTBEAT_SECONDS)

    async def _beat(self) -> None:
        worker_id = self._queue.worker_id  # for this whole beat: a stop may take it away meanwhile
        if worker_id is None:  # not registered yet, or any more
            return
        async with self._database.transaction() as connection:
            await connection.execute(BEAT, {"worker_id": worker_id})
            lost = await self._put_back_lost(connection, worker_id)
            rescued = await self._rescue(connection) if self._has_been_in_contact() else []
        if lost:
            log.warning("jobs put back", job_ids=sorted(lost), reason="This worker holds them, but does not run them.")
        for job in rescued:
            _log_rescued(job)

    def _has_been_in_contact(self) -> bool:
        """After an outage every heartbeat is old: the others get the time of a lease to come back, too."""
        now = asyncio.get_running_loop().time()
        if self._in_contact_since is None:
            self._in_contact_since = now
        return now - self._in_contact_since >= LEASE_SECONDS

    async def _put_back_lost(self, connection: AsyncConnection, worker_id: int) -> set[int]:
        """Free what the database believes to run here and does not: the answer to a claim, or an outcome, got lost.

        A claim may just be on its way, so it takes two looks. If it comes later still, no harm is done: that run finds
        itself superseded.
        """
        held = set((await connection.scalars(HELD, {"worker_id": worker_id})).all()) - self._runs.in_progress
        lost, self._not_run = held & self._not_run, held
        if lost:
            await connection.execute(PUT_BACK, {"job_ids": list(lost), "worker_id": worker_id})
        return lost

    async def _rescue(self, connection: AsyncConnection) -> Sequence[Row[Any]]:
        limits = {"max_attempts": MAX_ATTEMPTS, "lease_seconds": LEASE_SECONDS}
        return (await connection.execute(RESCUE, limits)).all()


def _log_rescued(job: Row[Any]) -> None:
    is_parked = job.status == "failed"
    (log.error if is_parked else log.warning)(
        "job of a dead worker",
        job_id=job.id,
        task=job.task_name,
        queue=job.queue_name,
        attempts=job.attempts,
        outcome="parked" if is_parked else "rescued",
        request_id=job.request_id or f"job-{job.id}",
    )
