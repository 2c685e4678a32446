"""The queue behind the service's back, and the moments in the life of a job that a test can hold on to."""

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.factors.tools import Process, wait_until

DEFER = (
    "SELECT unnest(procrastinate_defer_jobs_v1(ARRAY["
    "ROW(%s, %s, 0, NULL, NULL, %s, NULL)::procrastinate_job_to_defer_v1]))"
)


def enqueue(connection: psycopg.Connection, queue: str, task: str, arguments: Any) -> int:
    """Put a job into the queue, whatever its arguments; return its id."""
    row = connection.execute(DEFER, (queue, task, Jsonb(arguments))).fetchone()
    assert row is not None
    return int(row[0])


def states(database_url: str, task: str) -> list[str]:
    """The states of a task's jobs, oldest first; a parked one is `failed`."""
    with psycopg.connect(database_url) as connection:
        statement = "SELECT status::text FROM procrastinate_jobs WHERE task_name = %s ORDER BY id"
        return [state for (state,) in connection.execute(statement, (task,))]


def wait_until_working(database_url: str, *workers: Process) -> None:
    """Return when as many workers are at work as there should be."""
    statement = "SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - interval '5 s'"

    def at_work() -> int:
        with psycopg.connect(database_url) as connection:
            return connection.execute(statement).rowcount

    wait_until(lambda: at_work() == len(workers), 20, f"{len(workers)} workers at work")


def locked_outcomes(database_url: str) -> psycopg.Connection:
    """While this block lasts, what becomes of the jobs in progress cannot be written down."""
    connection = psycopg.connect(database_url)
    connection.execute("SELECT FROM procrastinate_jobs WHERE status = 'doing' FOR UPDATE")
    return connection


def is_somebody_locked_out(database_url: str) -> bool:
    """Whether a session waits for a lock."""
    statement = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(database_url) as connection:
        return connection.execute(statement).rowcount > 0


def job_of_a_dead_worker(database_url: str, task: str) -> None:
    """Store a job in progress, held by a worker that has just shown its last sign of life."""
    with psycopg.connect(database_url) as connection:
        worker = connection.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id").fetchone()
        assert worker is not None
        columns = "queue_name, task_name, status, worker_id"
        statement = f"INSERT INTO procrastinate_jobs ({columns}) VALUES ('other', %s, 'doing', %s)"
        connection.execute(statement, (task, worker[0]))


def count_dead_workers(database_url: str, row_id: str, count: int) -> None:
    """Have a row's waiting job look as if it had already cost so many workers their life."""
    with psycopg.connect(database_url) as connection:
        statement = "UPDATE procrastinate_jobs SET attempts = %s WHERE args::text LIKE '%%' || %s || '%%'"
        assert connection.execute(statement, (count, row_id)).rowcount == 1
