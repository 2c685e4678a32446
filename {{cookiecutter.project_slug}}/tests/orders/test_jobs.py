"""The jobs of orders, run without a worker."""

import asyncio
import uuid
from typing import Any

import psycopg
import pytest
from procrastinate import App
from procrastinate.testing import InMemoryConnector

from app.database import Database
from app.jobs import PermanentFailure
from app.orders.fulfilment import FulfilmentRefused, FulfilmentService, FulfilmentUnavailable
from app.orders.jobs import add_order_jobs
from app.settings import Settings
from tests.factors.attached import AttachedService


def run_task(database_url: str, name: str, service_url: str | None = None, **arguments: Any) -> None:
    async def run() -> None:
        database = Database(Settings.model_validate({"DATABASE_URL": database_url}), "test")
        service = FulfilmentService(service_url) if service_url else None
        jobs = App(connector=InMemoryConnector())
        add_order_jobs(jobs, database, service)
        try:
            await jobs.tasks[name].func(**arguments)
        finally:
            await database.close()

    asyncio.run(run())


def place_order(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("INSERT INTO orders (item, quantity) VALUES ('cup', 3) RETURNING id::text").fetchone()
    assert row is not None
    return str(row[0])


def fulfilled(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT order_id::text FROM fulfilments JOIN orders ON id = order_id AND status = 'fulfilled'"
        )
        return [order_id for (order_id,) in rows]


def test_an_order_is_fulfilled_once_however_often_its_job_runs(fresh_database: str) -> None:
    order_id = place_order(fresh_database)

    for _ in range(3):
        run_task(fresh_database, "fulfil_order", order_id=order_id)

    assert fulfilled(fresh_database) == [order_id]


def test_the_service_is_asked_with_the_order_and_its_id_as_key(fresh_database: str) -> None:
    order_id = place_order(fresh_database)

    with AttachedService() as service:
        for _ in range(2):
            run_task(fresh_database, "fulfil_order", service.url, order_id=order_id)

    (call,) = service.calls
    assert (call.path, call.key, call.body) == ("/orders", order_id, b'{"item":"cup","quantity":3}')
    assert fulfilled(fresh_database) == [order_id]


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, FulfilmentRefused), (422, FulfilmentRefused), (429, FulfilmentUnavailable), (500, FulfilmentUnavailable)],
)
def test_without_a_yes_from_the_service_nothing_is_fulfilled(
    status: int, error: type[Exception], fresh_database: str
) -> None:
    order_id = place_order(fresh_database)
    with AttachedService() as service:
        service.status = status

        with pytest.raises(error, match=str(status)):
            run_task(fresh_database, "fulfil_order", service.url, order_id=order_id)

    assert fulfilled(fresh_database) == []


@pytest.mark.parametrize("arguments", [{}, {"order_id": None}, {"order_id": "7"}, {"id": str(uuid.uuid4())}])
def test_arguments_of_another_time_are_a_permanent_failure(arguments: dict[str, Any], database: str) -> None:
    with pytest.raises(PermanentFailure, match="order_id"):
        run_task(database, "fulfil_order", **arguments)


def test_arguments_that_a_newer_release_adds_are_ignored(fresh_database: str) -> None:
    order_id = place_order(fresh_database)

    run_task(fresh_database, "fulfil_order", order_id=order_id, gift_wrap=True, request_id="r", delays=3)

    assert fulfilled(fresh_database) == [order_id]


def test_orders_that_wait_for_too_long_are_reported(fresh_database: str, capfd: pytest.CaptureFixture[str]) -> None:
    old = place_order(fresh_database)
    place_order(fresh_database)
    with psycopg.connect(fresh_database) as connection:
        connection.execute("UPDATE orders SET created_at = now() - interval '1 hour' WHERE id = %s", (old,))

    run_task(fresh_database, "report_stale_orders", timestamp=0)

    assert "orders are stale" in capfd.readouterr().out
