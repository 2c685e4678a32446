"""Jobs: work handed to the `worker` processes through the database, in the transaction that gives rise to it (VIII).

What is here is all that `web` needs: it hands work over, and never loads what carries it out.
"""

import json
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.contextvars import get_contextvars

PERIODIC_PRIORITY = 1  # above other jobs, which may stand in a long line when the service that they ask hangs

# procrastinate's own SQL function, which its `defer` calls as well. Called from here, a database that goes away is
# the same `DatabaseUnavailable` as anywhere else, and `web` starts 70 ms sooner without the library.
ENQUEUE = text("""
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW(:queue, :task, 0, NULL, NULL, CAST(:arguments AS jsonb), NULL)::procrastinate_job_to_defer_v1
    ])
""")


class TemporaryFailure(Exception):
    """A job met something that passes without anybody's doing: it is tried again, for ever, less and less often."""


class PermanentFailure(Exception):
    """A job met something that no repetition changes: it is parked at once, for a person to look at."""


async def enqueue(connection: AsyncConnection, queue: str, task: str, **arguments: Any) -> None:
    """Have a worker run the task once the connection's transaction has committed; a rollback takes the job back.

    The id of the request in progress goes along, into the events of the job. Tasks therefore take `**arguments`, and
    ignore those that they do not know: another release may have added them.
    """
    request = {"request_id": get_contextvars().get("request_id")}
    values = {"queue": queue, "task": task, "arguments": json.dumps(arguments | request)}
    await connection.execute(ENQUEUE, values)
