"""`jobs`: what an operator sees of the queue, and can do about it."""

import psycopg
import pytest
from psycopg.types.json import Jsonb

from app.jobs_command import run_jobs_command
from app.settings import Settings


@pytest.fixture
def settings(fresh_database: str) -> Settings:
    """Of a database with two parked jobs and one that waits."""
    insert = (
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, args) VALUES (%s, %s, %s, %s, %s)"
    )
    arguments = {"order_id": 1, "parked": "no such thing", "delays": 3}
    with psycopg.connect(fresh_database) as connection:
        connection.execute(insert, ("orders", "fulfil_order", "failed", 5, Jsonb(arguments)))
        connection.execute(insert, ("orders", "fulfil_order", "failed", 1, Jsonb({})))
        connection.execute(insert, ("orders", "fulfil_order", "todo", 0, Jsonb({})))
    return Settings.model_validate({"DATABASE_URL": fresh_database})


def test_it_counts_by_queue_and_state(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_jobs_command(settings, parked=False, retry=[]) == 0

    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[0] == ["queue", "state", "jobs", "oldest_seconds"]
    assert [row[:3] for row in table[1:]] == [["orders", "todo", "1"], ["orders", "parked", "2"]]


def test_it_lists_parked_jobs_with_their_reasons(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_jobs_command(settings, parked=True, retry=[]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:4] == ["1", "orders", "fulfil_order", "5"]
    assert lines[1].endswith("no such thing")


def test_it_gives_a_parked_job_all_its_attempts_again(settings: Settings, fresh_database: str) -> None:
    assert run_jobs_command(settings, parked=False, retry=[1]) == 0

    with psycopg.connect(fresh_database) as connection:
        row = connection.execute("SELECT status::text, attempts, args FROM procrastinate_jobs WHERE id = 1").fetchone()
    assert row == ("todo", 0, {"order_id": 1})


def test_it_says_so_when_a_job_is_not_parked(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_jobs_command(settings, parked=False, retry=[2, 3, 99]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert "put back: 1" in lines
    assert "not parked: 3 99" in lines


def test_it_retries_every_parked_job_at_a_word(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_jobs_command(settings, parked=False, retry=["all"]) == 0

    assert "put back: 2" in capsys.readouterr().out.splitlines()
