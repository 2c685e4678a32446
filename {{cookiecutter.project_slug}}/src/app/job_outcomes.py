"""How a run of a job can end, and what becomes of the job then (factor IX)."""

import random
from dataclasses import dataclass, field
from typing import Any

from procrastinate.jobs import Job

MAX_ATTEMPTS = 5  # runs that end in an unexpected exception, or with their worker; then the job is parked
MAX_DELAY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended, in the event's word for it, and what becomes of the job."""

    name: str
    status: str = "todo"  # in procrastinate's words: `todo`, `succeeded`, or `failed`, which is what parked jobs are
    counted: int = 1  # attempts
    delay_seconds: float = 0.0  # before the next run
    note: dict[str, Any] = field(default_factory=dict)  # added to the job's arguments
    error: BaseException | None = None


def postponed(job: Job, error: Exception) -> Outcome:
    """An attached service is away. That is no fault of the job, and counts as none, however long it lasts."""
    delays = delays_of(job)
    note = {"delays": delays + 1}
    return Outcome(name="postponed", counted=0, note=note, delay_seconds=backoff_seconds(delays), error=error)


def parked(error: BaseException) -> Outcome:
    """No repetition would help; a person looks at it with `jobs`."""
    return Outcome(name="parked", status="failed", note={"parked": reason_of(error)[:500]}, error=error)


def retried_or_parked(job: Job, error: BaseException) -> Outcome:
    """Nobody foresaw this. It may pass, but a poison job must not run for ever."""
    if job.attempts + 1 >= MAX_ATTEMPTS:
        return parked(error)
    return Outcome(name="retried", delay_seconds=backoff_seconds(job.attempts), error=error)


def delays_of(job: Job) -> int:
    """How often the job was postponed; kept in its arguments, since it must not count as an attempt."""
    delays = job.task_kwargs.get("delays") if isinstance(job.task_kwargs, dict) else None
    return delays if isinstance(delays, int) else 0


def backoff_seconds(earlier_tries: int) -> float:
    """1 s, doubling up to 30 s; less up to a fifth, so that what failed together does not come back together."""
    return min(MAX_DELAY_SECONDS, 2.0 ** min(earlier_tries, 10)) * random.uniform(0.8, 1.0)  # noqa: S311  # no secret


def reason_of(error: BaseException) -> str:
    """What went wrong, in characters that PostgreSQL's jsonb takes: an exception may quote anything."""
    text = str(error) or type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in text)
