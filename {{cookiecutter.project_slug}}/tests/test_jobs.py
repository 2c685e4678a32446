"""Handing work over: in the transaction that gives rise to it, and with the id of the request."""

import asyncio
from typing import Any

import psycopg
import pytest
from structlog.contextvars import bound_contextvars

from app.database import Database
from app.jobs import enqueue
from app.settings import Settings


class ChangedItsMind(Exception):
    pass


async def enqueue_in_transaction(database_url: str, error: Exception | None = None) -> None:
    database = Database(Settings.model_validate({"DATABASE_URL": database_url}), "test")
    try:
        async with database.transaction() as connection:
            await enqueue(connection, "queue", "task", number=7)
            if error is not None:
                raise error
    finally:
        await database.close()


def jobs_in(database_url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT queue_name, task_name, args, status FROM procrastinate_jobs").fetchall()


def test_a_job_comes_with_the_commit_and_carries_the_id_of_its_request(fresh_database: str) -> None:
    with bound_contextvars(request_id="mine"):
        asyncio.run(enqueue_in_transaction(fresh_database))

    assert jobs_in(fresh_database) == [("queue", "task", {"number": 7, "request_id": "mine"}, "todo")]


def test_a_rollback_takes_the_job_back(fresh_database: str) -> None:
    with pytest.raises(ChangedItsMind):
        asyncio.run(enqueue_in_transaction(fresh_database, ChangedItsMind()))

    assert jobs_in(fresh_database) == []
