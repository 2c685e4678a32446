"""Jobs of dead workers: put back, counted, and in the end parked. And what is kept of finished ones."""

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import TextClause, create_engine

from app.job_outcomes import MAX_ATTEMPTS
from app.rescue import LEASE_SECONDS, RESCUE, Rescue
from app.retention import BATCH, FORGET, KEPT_HOURS, REMOVE
from app.settings import Settings
from app.worker import compose

LEASE = {"max_attempts": MAX_ATTEMPTS, "lease_seconds": LEASE_SECONDS}


def run(database_url: str, statement: TextClause, values: dict[str, Any]) -> None:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(statement, values)
    engine.dispose()


def a_job(database_url: str, status: str, attempts: int = 0, silent_seconds: float | None = None) -> int:
    """Store a job; with `silent_seconds` one that a worker holds which was last heard of so long ago."""
    with psycopg.connect(database_url) as connection:
        worker = None
        if silent_seconds is not None:
            insert = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))"
            worker = connection.execute(f"{insert} RETURNING id", (silent_seconds,)).fetchone()
        row = connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, worker_id)"
            " VALUES ('q', 't', %s, %s, %s) RETURNING id",
            (status, attempts, worker and worker[0]),
        ).fetchone()
    assert row is not None
    return int(row[0])


def found(database_url: str, job_id: int) -> tuple[Any, ...] | None:
    """State, attempts, lock and worker of a job."""
    with psycopg.connect(database_url) as connection:
        columns = "status::text, attempts, lock, worker_id"
        return connection.execute(f"SELECT {columns} FROM procrastinate_jobs WHERE id = %s", (job_id,)).fetchone()


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [(0, ("todo", 1, None, None)), (1, ("todo", 2, "suspect", None)), (4, ("failed", 5, "suspect", None))],
    ids=["first death", "second: from now on alone", "fifth: parked"],
)
def test_a_job_goes_back_when_its_worker_is_silent_for_too_long(
    attempts: int, expected: tuple[Any, ...], fresh_database: str
) -> None:
    job = a_job(fresh_database, "doing", attempts, silent_seconds=LEASE_SECONDS + 1)

    run(fresh_database, RESCUE, LEASE)

    assert found(fresh_database, job) == expected


def test_a_job_without_a_worker_goes_back_at_once(fresh_database: str) -> None:
    job = a_job(fresh_database, "doing")

    run(fresh_database, RESCUE, LEASE)

    assert found(fresh_database, job) == ("todo", 1, None, None)


def test_jobs_of_the_living_and_finished_ones_are_left_alone(fresh_database: str) -> None:
    held = a_job(fresh_database, "doing", silent_seconds=LEASE_SECONDS - 2)
    others = [a_job(fresh_database, status) for status in ("todo", "succeeded", "failed")]
    before = [found(fresh_database, job) for job in (held, *others)]

    run(fresh_database, RESCUE, LEASE)

    assert [found(fresh_database, job) for job in (held, *others)] == before


def test_jobs_that_succeeded_long_ago_are_removed_and_parked_ones_kept(fresh_database: str) -> None:
    old, parked, new = (a_job(fresh_database, "doing") for _ in range(3))
    with psycopg.connect(fresh_database) as connection:
        connection.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = ANY(%s)", ([old, new],))
        connection.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", (parked,))
        past = "UPDATE procrastinate_events SET at = at - make_interval(hours => %s) WHERE job_id = ANY(%s)"
        connection.execute(past, (KEPT_HOURS + 1, [old, parked]))

    run(fresh_database, REMOVE, {"batch": BATCH, "kept_hours": KEPT_HOURS})

    assert found(fresh_database, old) is None
    assert found(fresh_database, parked)
    assert found(fresh_database, new)


def test_workers_that_were_killed_long_ago_are_forgotten(fresh_database: str) -> None:
    for silent_hours in (KEPT_HOURS - 1, KEPT_HOURS + 1):
        a_job(fresh_database, "todo", silent_seconds=silent_hours * 3600)

    run(fresh_database, FORGET, {"kept_hours": KEPT_HOURS})

    with psycopg.connect(fresh_database) as connection:
        assert connection.execute("SELECT FROM procrastinate_workers").rowcount == 1


def test_a_heartbeat_that_meets_the_end_of_its_worker_harms_nothing(fresh_database: str) -> None:
    async def beat_while_the_worker_leaves() -> None:
        async with compose(Settings.model_validate({"DATABASE_URL": fresh_database})) as parts:
            worker_id = await parts.queue.register_worker()
            await parts.database.close()
            beat = asyncio.create_task(Rescue(parts.database, parts.queue, parts.runs)._beat())
            await asyncio.sleep(0)  # it has begun, and has to connect first
            await parts.queue.unregister_worker(worker_id)
            await beat

    asyncio.run(beat_while_the_worker_leaves())
