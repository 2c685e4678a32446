"""One run of a job: its outcome, written down by whoever holds the job, and the one event about it (VIII, XI)."""

import asyncio
import contextlib
import json
import time

import structlog
from procrastinate.job_context import AbortReason, JobContext
from procrastinate.jobs import Job
from procrastinate.middleware import AsyncCallNext
from procrastinate.worker import Worker
from sqlalchemy import text
from structlog.contextvars import bound_contextvars
from structlog.typing import FilteringBoundLogger

from app.database import Database
from app.errors import DatabaseUnavailable
from app.job_outcomes import Outcome, delays_of, parked, postponed, reason_of, retried_or_parked
from app.jobs import PermanentFailure, TemporaryFailure

RETRY_SECONDS = 1.0  # between attempts to reach a database that is away

# Only the run that holds the job writes its outcome. A worker that was stopped for so long that it was declared dead
# holds nothing any more: no row matches. procrastinate's own statements match the job and its state, but not the run.
WRITE_OUTCOME = text("""
    UPDATE procrastinate_jobs
    SET status = CAST(:status AS procrastinate_job_status),
        attempts = attempts + :counted,
        args = args || CAST(:note AS jsonb),
        scheduled_at = CASE WHEN :status = 'todo' THEN now() + make_interval(secs => :delay_seconds) END,
        worker_id = NULL,
        lock = NULLIF(lock, 'suspect')  -- see app.rescue: a run that ends in good order has killed nobody
    WHERE id = :job_id AND status = 'doing' AND worker_id = :worker_id AND attempts = :attempts
""")

log: FilteringBoundLogger = structlog.get_logger(__name__)


class JobRuns:
    """The runs of one worker. `middleware` is what procrastinate's worker wraps around each of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.in_progress: set[int] = set()

    async def middleware(self, call_next: AsyncCallNext, context: JobContext, _worker: Worker) -> None:
        """Run one job and settle it, whatever happens: nothing is left for procrastinate to decide.

        Its `retry=` cannot tell an outage from a fault of the job and counts a hand-back as an attempt; without it, a
        job that a stop interrupts is lost.
        """
        job_id, started = context.job.id or 0, time.perf_counter()
        self.in_progress.add(job_id)
        try:
            with _named_in_events(context.job):
                outcome = await self._run(call_next, context)
                await self.settle(context.job, outcome, time.perf_counter() - started)
        finally:
            self.in_progress.discard(job_id)

    async def park(self, job: Job, reason: str) -> None:
        """Settle a job that cannot even be started."""
        with _named_in_events(job):
            await self.settle(job, parked(PermanentFailure(reason)), 0.0)

    async def _run(self, call_next: AsyncCallNext, context: JobContext) -> Outcome:
        try:
            await call_next()
        except asyncio.CancelledError as error:
            if context.abort_reason() is AbortReason.SHUTDOWN:
                return Outcome(name="handed_back", counted=0)
            return retried_or_parked(context.job, error)
        except (TemporaryFailure, DatabaseUnavailable) as error:
            return postponed(context.job, error)
        except PermanentFailure as error:
            return parked(error)
        except Exception as error:  # noqa: BLE001  # whatever a job raises must not end its worker
            return retried_or_parked(context.job, error)
        return Outcome(name="succeeded", status="succeeded")

    async def settle(self, job: Job, outcome: Outcome, seconds: float) -> None:
        """Write the outcome down, and say it. While the database is away, wait for it: there is nothing else to do.

        A stop that does not want to wait leaves the job as it is; without a heartbeat it is soon another worker's.
        """
        try:
            name = outcome.name if await self._write_when_possible(job, outcome) else "superseded"
        except asyncio.CancelledError:
            name = "unsettled"
        _log_run(job, name, outcome.error, seconds)

    async def _write_when_possible(self, job: Job, outcome: Outcome) -> bool:
        while True:
            try:
                return await self._write(job, outcome)
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_SECONDS)

    async def _write(self, job: Job, outcome: Outcome) -> bool:
        values = {
            "job_id": job.id,
            "worker_id": job.worker_id,
            "attempts": job.attempts,
            "status": outcome.status,
            "counted": outcome.counted,
            "delay_seconds": outcome.delay_seconds,
            "note": json.dumps(outcome.note),
        }
        async with self._database.reading() as connection:  # one statement, which stands alone
            return (await connection.execute(WRITE_OUTCOME, values)).rowcount == 1


def _named_in_events(job: Job) -> contextlib.AbstractContextManager[None]:
    """Give all events of a run the id of the request that it serves; without one, an id of its own."""
    arguments = job.task_kwargs if isinstance(job.task_kwargs, dict) else {}
    return bound_contextvars(request_id=arguments.get("request_id") or f"job-{job.id}", job_id=job.id)


def _log_run(job: Job, outcome: str, error: BaseException | None, seconds: float) -> None:
    is_foreseen = isinstance(error, TemporaryFailure | PermanentFailure | DatabaseUnavailable | None)
    say = {"retried": log.error, "parked": log.error, "postponed": log.warning}.get(outcome, log.info)
    why = {"reason": reason_of(error), "exc_info": None if is_foreseen else error} if error else {}
    say(
        "job",
        task=job.task_name,
        queue=job.queue,
        attempts=job.attempts + delays_of(job) + 1,
        duration_ms=round(seconds * 1000, 2),
        outcome=outcome,
        **why,
    )
