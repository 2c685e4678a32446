"""The jobs of orders: fulfil one, and report those that have waited for too long."""

import uuid
from typing import Any

import structlog
from procrastinate import App
from pydantic import BaseModel, ValidationError
from sqlalchemy import func, insert, select, update
from structlog.typing import FilteringBoundLogger

from app.database import Database
from app.jobs import PERIODIC_PRIORITY, PermanentFailure
from app.orders.fulfilment import FulfilmentService
from app.orders.models import Fulfilment, Order
from app.orders.store import FULFIL_ORDER, QUEUE

STALE_AFTER_SECONDS = 300
EVERY_MINUTE = "* * * * *"

log: FilteringBoundLogger = structlog.get_logger(__name__)


class FulfilOrder(BaseModel):
    """The arguments of the job. What another release adds is ignored; what it leaves out parks the job."""

    order_id: uuid.UUID


def add_order_jobs(jobs: App, database: Database, service: FulfilmentService | None) -> None:
    """Tell the queue which jobs there are; `service` is None when orders are fulfilled here."""

    @jobs.task(name=FULFIL_ORDER, queue=QUEUE)
    async def fulfil_order(**arguments: Any) -> None:
        order_id = _parse(arguments).order_id
        if service is not None:
            await _ask_service(service, database, order_id)
        await _mark_fulfilled(database, order_id)

    @jobs.periodic(cron=EVERY_MINUTE)
    @jobs.task(name="report_stale_orders", queue=QUEUE, priority=PERIODIC_PRIORITY)
    async def report_stale_orders(timestamp: int, **_arguments: Any) -> None:
        await _report_stale_orders(database)


def _parse(arguments: dict[str, Any]) -> FulfilOrder:
    try:
        return FulfilOrder.model_validate(arguments)
    except ValidationError as error:
        problems = ", ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PermanentFailure(f"The arguments cannot be used: {problems}.") from None


async def _ask_service(service: FulfilmentService, database: Database, order_id: uuid.UUID) -> None:
    """Have an order that still waits fulfilled. No database connection is held while the service takes its time."""
    order = select(Order.item, Order.quantity).where(Order.id == order_id, Order.status == "placed")
    async with database.reading() as connection:
        placed = (await connection.execute(order)).one_or_none()
    if placed is not None:
        await service.fulfil(order_id, placed.item, placed.quantity)


async def _mark_fulfilled(database: Database, order_id: uuid.UUID) -> None:
    """The effect, once: a second or a late run finds the order no longer `placed`, and changes nothing.

    Order and effect change in one statement, which is a transaction of its own and takes one round trip, not four.
    """
    fulfil = update(Order).where(Order.id == order_id, Order.status == "placed").values(status="fulfilled")
    fulfilled = fulfil.returning(Order.id).cte("fulfilled")
    async with database.reading() as connection:
        await connection.execute(insert(Fulfilment).from_select(["order_id"], select(fulfilled.c.id)))


async def _report_stale_orders(database: Database) -> None:
    age = func.extract("epoch", func.now() - Order.created_at)
    stale = select(func.count(), func.max(age)).where(Order.status == "placed", age > STALE_AFTER_SECONDS)
    async with database.reading() as connection:
        count, oldest_seconds = (await connection.execute(stale)).one()
    if count:
        log.warning("orders are stale", orders=count, oldest_seconds=round(oldest_seconds))
