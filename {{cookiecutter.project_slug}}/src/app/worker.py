"""The process type `worker`: takes jobs from the queue until it is told to stop (factors VIII and IX)."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from procrastinate import App
from structlog.typing import FilteringBoundLogger

from app.database import Database
from app.deadline import end_by_deadline
from app.errors import DatabaseUnavailable
from app.identity import build_commit
from app.job_queue import JobQueue, QueueConnector
from app.job_runs import RETRY_SECONDS, JobRuns
from app.orders.fulfilment import FulfilmentService
from app.orders.jobs import add_order_jobs
from app.rescue import Rescue
from app.retention import add_retention
from app.settings import Settings

QUEUE_CONNECTIONS = 3  # for claims, outcomes and heartbeats, apart from the jobs' own pool; a fourth one LISTENs
POLLING_SECONDS = 1.0  # what is due again, or handed back, is not announced by LISTEN
HAND_BACK_SECONDS = 1.0  # after SHUTDOWN_SECONDS
NEVER_SECONDS = 86_400.0  # between what procrastinate's worker is not to do by itself

log: FilteringBoundLogger = structlog.get_logger(__name__)


def run_worker(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; return the exit code."""
    asyncio.run(work(settings))
    return 0


async def work(settings: Settings) -> None:
    """Take WORKER_CONCURRENCY jobs at a time until told to stop, then finish them, or hand them back."""
    stopping, has_stopped = _stop_on_signals(settings), asyncio.Event()
    async with compose(settings) as parts:
        log.info("worker started", concurrency=settings.worker_concurrency, commit=build_commit(), pid=os.getpid())
        async with asyncio.TaskGroup() as group:
            group.create_task(Rescue(parts.database, parts.queue, parts.runs).run_until(has_stopped))
            await _take_jobs(parts, settings, stopping)
            has_stopped.set()  # only now may the heart stand still: other workers left the last jobs alone
    log.info("worker stopped")


@dataclass(frozen=True)
class Parts:
    """What a worker consists of; `database` is the queue's way there, the jobs have their own."""

    jobs: App
    queue: JobQueue
    runs: JobRuns
    database: Database


@contextlib.asynccontextmanager
async def compose(settings: Settings) -> AsyncIterator[Parts]:
    """The composition root of this process type: every part meets its settings. Nothing is connected yet."""
    async with contextlib.AsyncExitStack() as lifetimes:
        database = Database(settings.model_copy(update={"database_pool_size": QUEUE_CONNECTIONS}), "worker")
        lifetimes.push_async_callback(database.close)
        database_of_jobs = Database(settings, "worker")
        lifetimes.push_async_callback(database_of_jobs.close)
        service = FulfilmentService(settings.fulfilment_url) if settings.fulfilment_url else None
        if service is not None:
            await lifetimes.enter_async_context(service)

        runs = JobRuns(database)
        connector = QueueConnector(settings, database)
        jobs = App(connector=connector)
        jobs.job_manager = queue = JobQueue(connector, jobs.tasks, runs)
        add_order_jobs(jobs, database_of_jobs, service)
        add_retention(jobs, database)
        yield Parts(jobs, queue, runs, database)


def _stop_on_signals(settings: Settings) -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets. SIGTERM again changes nothing; SIGINT again ends the process at once."""
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            return
        log.info("worker stopping", shutdown_seconds=settings.shutdown_seconds)
        end_by_deadline(settings.shutdown_seconds + HAND_BACK_SECONDS)
        stopping.set()

    def interrupt() -> None:
        if stopping.is_set():
            os._exit(0)
        stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    return stopping


async def _take_jobs(parts: Parts, settings: Settings, stopping: asyncio.Event) -> None:
    """Have procrastinate's worker take jobs. It ends when the database is away at its start: then begin again."""
    last_reason = ""
    while not stopping.is_set():
        try:
            await parts.database.require_schema()
            last_reason = ""
            await _run_until(stopping, parts, settings)
        except DatabaseUnavailable as error:
            if str(error) != last_reason:
                log.warning("waiting for the database", reason=str(error), cause=error.cause)
            last_reason = str(error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), RETRY_SECONDS)


async def _run_until(stopping: asyncio.Event, parts: Parts, settings: Settings) -> None:
    """Run procrastinate's worker until it is to stop; then let the jobs in progress end, or hand them back."""
    worker = asyncio.create_task(
        parts.jobs.run_worker_async(
            concurrency=settings.worker_concurrency,
            fetch_job_polling_interval=POLLING_SECONDS,
            shutdown_graceful_timeout=settings.shutdown_seconds,
            install_signal_handlers=False,  # its own know no deadline, and last only as long as this call
            worker_middleware=[parts.runs.middleware],
            update_heartbeat_interval=NEVER_SECONDS,  # its heartbeat ends when a stop begins; ours when it is over
            stalled_worker_timeout=NEVER_SECONDS,  # it forgets the dead before their jobs are taken care of
            abort_job_polling_interval=NEVER_SECONDS,  # nobody here asks for a running job to be aborted
        )
    )
    told_to_stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((worker, told_to_stop), return_when=asyncio.FIRST_COMPLETED)
    finally:
        told_to_stop.cancel()
        worker.cancel()  # which asks it to stop: it claims no more jobs, and waits for those in progress
        await asyncio.wait((worker,))
    if not worker.cancelled():
        worker.result()
