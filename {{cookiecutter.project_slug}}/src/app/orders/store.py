"""Orders in the database. Each function takes the connection, so its caller decides what is one transaction."""

import base64
import binascii
import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import IdempotencyKeyReused, InvalidCursor, OrderNotFound
from app.jobs import enqueue
from app.orders.models import Order
from app.orders.schemas import NewOrder

QUEUE, FULFIL_ORDER = "orders", "fulfil_order"  # the queue of these jobs, and the task that `orders.jobs` defines

COLUMNS = (Order.id, Order.item, Order.quantity, Order.status, Order.created_at)

OrderRow = Row[uuid.UUID, str, int, str, datetime]

# Statements are built once: to build one and have SQLAlchemy recognize it costs as much as to execute it.
INSERT_ORDER = insert(Order).on_conflict_do_nothing(index_elements=[Order.idempotency_key]).returning(*COLUMNS)
ORDER_BY_ID = select(*COLUMNS).where(Order.id == bindparam("order_id"))
ORDER_BY_KEY = select(*COLUMNS).where(Order.idempotency_key == bindparam("key"))
ORDERS_BEFORE = (
    select(*COLUMNS).where(Order.id < bindparam("cursor")).order_by(Order.id.desc()).limit(bindparam("limit"))
)
AFTER_ALL = uuid.UUID(int=2**128 - 1)  # the cursor of the first page


async def insert_order(connection: AsyncConnection, new: NewOrder, key: str | None) -> tuple[OrderRow, bool]:
    """Store an order and have a worker fulfil it; return it and whether it is new.

    With a key that came before nothing is stored: the same body gets the first order again, another one raises
    `IdempotencyKeyReused`. Requests that race with one key wait in PostgreSQL for the first of them to commit.
    """
    values = {"item": new.item, "quantity": new.quantity, "idempotency_key": key}
    placed = (await connection.execute(INSERT_ORDER, values)).one_or_none()
    if placed is not None:
        await enqueue(connection, QUEUE, FULFIL_ORDER, order_id=str(placed.id))
        return placed, True
    earlier = (await connection.execute(ORDER_BY_KEY, {"key": key})).one()
    if (earlier.item, earlier.quantity) != (new.item, new.quantity):
        raise IdempotencyKeyReused("This Idempotency-Key came before, with another order.")
    return earlier, False


async def find_order(connection: AsyncConnection, order_id: uuid.UUID) -> OrderRow:
    """The order with this id; raise `OrderNotFound`."""
    order = (await connection.execute(ORDER_BY_ID, {"order_id": order_id})).one_or_none()
    if order is None:
        raise OrderNotFound(f"There is no order {order_id}.")
    return order


async def list_orders(
    connection: AsyncConnection, limit: int, cursor: str | None
) -> tuple[Sequence[OrderRow], str | None]:
    """Up to `limit` orders, newest first, after the one that the cursor names, and the next cursor.

    A keyset, not an offset: a page costs the same however deep it lies, and orders that are placed meanwhile shift
    nothing. One row more than asked for tells whether there is a next page.
    """
    values = {"cursor": AFTER_ALL if cursor is None else _read_cursor(cursor), "limit": limit + 1}
    rows = (await connection.execute(ORDERS_BEFORE, values)).all()
    page = rows[:limit]
    return page, _write_cursor(page[-1].id) if len(rows) > limit else None


def _write_cursor(last: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def _read_cursor(cursor: str) -> uuid.UUID:
    try:
        return uuid.UUID(bytes=base64.b64decode(cursor.encode("ascii") + b"==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise InvalidCursor("The cursor is none that this service handed out.") from None
