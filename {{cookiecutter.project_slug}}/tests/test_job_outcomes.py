"""What becomes of a job after a run of it."""

import json

import pytest
from procrastinate.jobs import Job
from procrastinate.types import JSONValue

from app.job_outcomes import MAX_ATTEMPTS, backoff_seconds, parked, postponed, reason_of, retried_or_parked


def a_job(attempts: int = 0, delays: JSONValue = 0) -> Job:
    arguments = {"delays": delays}
    return Job(id=1, queue="q", lock=None, queueing_lock=None, task_name="t", attempts=attempts, task_kwargs=arguments)


@pytest.mark.parametrize(("tries", "longest"), [(0, 1), (1, 2), (4, 16), (5, 30), (6, 30), (10_000, 30)])
def test_the_wait_doubles_up_to_thirty_seconds_and_varies_by_a_fifth(tries: int, longest: float) -> None:
    waits = {backoff_seconds(tries) for _ in range(200)}

    assert min(waits) >= 0.8 * longest
    assert max(waits) <= longest
    assert len(waits) > 100


def test_a_postponement_counts_as_no_attempt_and_is_remembered() -> None:
    outcome = postponed(a_job(delays=3), OSError("away"))

    assert (outcome.status, outcome.counted, outcome.note) == ("todo", 0, {"delays": 4})
    assert 0.8 * 8 <= outcome.delay_seconds <= 8


def test_a_count_of_postponements_that_is_none_is_taken_for_zero() -> None:
    assert postponed(a_job(delays="many"), OSError()).note == {"delays": 1}


def test_an_unforeseen_failure_is_tried_again_until_the_last_attempt() -> None:
    outcomes = [retried_or_parked(a_job(attempts), ZeroDivisionError()).name for attempts in range(MAX_ATTEMPTS)]

    assert outcomes == ["retried"] * (MAX_ATTEMPTS - 1) + ["parked"]


def test_a_parked_job_keeps_its_reason_in_characters_that_the_database_takes() -> None:
    outcome = parked(ValueError("a\x00b\ud800c\n" + "x" * 1000))

    assert outcome.status == "failed"
    assert outcome.note["parked"].startswith("a?b?c?x")
    assert len(outcome.note["parked"]) == 500
    assert "\\u0000" not in json.dumps(outcome.note)


def test_an_exception_without_words_is_named_by_its_type() -> None:
    assert reason_of(ZeroDivisionError()) == "ZeroDivisionError"
