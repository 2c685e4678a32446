"""`jobs`: what is in the queue, which jobs are parked and why, and another chance for them (factor XII)."""

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, TextClause, text
from structlog.typing import FilteringBoundLogger

from app.connections import connect_once, wait_until_reachable
from app.settings import Settings

COUNTS = text("""
    WITH groups AS (
        SELECT queue_name, status, count(*) AS jobs, min(id) AS oldest FROM procrastinate_jobs GROUP BY 1, 2
    )
    SELECT queue_name AS queue,
           CASE status WHEN 'failed' THEN 'parked' ELSE status::text END AS state,
           jobs,
           (SELECT extract(epoch FROM now() - min(at))::int FROM procrastinate_events WHERE job_id = oldest)
               AS oldest_seconds
    FROM groups
    ORDER BY 1, status
""")

PARKED = text("""
    SELECT id, queue_name AS queue, task_name AS task, attempts, args ->> 'request_id' AS request_id,
           args ->> 'parked' AS reason
    FROM procrastinate_jobs
    WHERE status = 'failed'
    ORDER BY id
""")

# With all five attempts again. No NOTIFY goes with it: a worker finds the job within the second of its polling.
RETRY = text("""
    UPDATE procrastinate_jobs
    SET status = 'todo', attempts = 0, scheduled_at = NULL, lock = NULLIF(lock, 'suspect'),
        args = args - 'parked' - 'delays'
    WHERE status = 'failed' AND (:every OR id = ANY(:ids))
    RETURNING id
""")

log: FilteringBoundLogger = structlog.get_logger(__name__)


def run_jobs_command(settings: Settings, parked: bool, retry: Sequence[int | str]) -> int:
    """Print the counts or the parked jobs; or put back those whose ids are in `retry`, where `all` means every one.

    Return the exit code: 1 when one of the ids is no parked job's. Raise `DatabaseUnavailable`.
    """
    engine = connect_once(settings, "jobs")
    wait_until_reachable(engine, settings.database_timeout_seconds)
    with engine.begin() as connection:
        if retry:
            return _retry(connection, retry)
        _print_table(connection, PARKED if parked else COUNTS)
    return 0


def _retry(connection: Connection, wanted: Sequence[int | str]) -> int:
    ids = {job_id for job_id in wanted if isinstance(job_id, int)}
    put_back = set(connection.scalars(RETRY, {"every": "all" in wanted, "ids": list(ids)}).all())
    print("put back:", len(put_back))
    log.info("jobs put back", job_ids=sorted(put_back))
    if missing := ids - put_back:
        print("not parked:", *sorted(missing))
    return 1 if missing else 0


def _print_table(connection: Connection, query: TextClause) -> None:
    """Columns for a person to read and for `awk` to split; the last one may hold spaces."""
    result = connection.execute(query)
    rows = [tuple(result.keys()), *(tuple("-" if cell is None else str(cell) for cell in row) for row in result)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
