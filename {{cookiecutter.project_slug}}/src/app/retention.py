"""Jobs that succeeded are kept for a day, for whoever asks what happened; parked ones until a person decides."""

from typing import Any

from procrastinate import App
from sqlalchemy import text

from app.database import Database
from app.jobs import PERIODIC_PRIORITY

KEPT_HOURS = 24
BATCH = 1000  # rows per statement, well below a second

EVERY_TEN_MINUTES = "*/10 * * * *"

# The oldest jobs have the smallest ids, so that a batch is found without looking at the rest; procrastinate's own
# `remove_old_jobs` joins every job with every event.
REMOVE = text("""
    DELETE FROM procrastinate_jobs WHERE id IN (
        SELECT id FROM (SELECT id FROM procrastinate_jobs WHERE status = 'succeeded' ORDER BY id LIMIT :batch) AS oldest
        WHERE EXISTS (
            SELECT FROM procrastinate_events
            WHERE job_id = oldest.id AND type = 'succeeded' AND at < now() - make_interval(hours => :kept_hours)
        )
    )
""")

# A worker that ended by itself has taken its row with it; one that was killed has left it.
FORGET = text("DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(hours => :kept_hours)")


def add_retention(jobs: App, database: Database) -> None:
    """Add the periodic job that removes what is older."""

    @jobs.periodic(cron=EVERY_TEN_MINUTES)
    @jobs.task(name="remove_succeeded_jobs", queue="upkeep", priority=PERIODIC_PRIORITY)
    async def remove_succeeded_jobs(timestamp: int, **_arguments: Any) -> None:
        removed = BATCH
        while removed == BATCH:
            async with database.reading() as connection:
                result = await connection.execute(REMOVE, {"batch": BATCH, "kept_hours": KEPT_HOURS})
            removed = result.rowcount
        async with database.reading() as connection:
            await connection.execute(FORGET, {"kept_hours": KEPT_HOURS})
