"""Orders over HTTP."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import StringConstraints

from app.database import Database
from app.orders.schemas import NewOrder, OrderPage, PlacedOrder
from app.orders.store import find_order, insert_order, list_orders
from app.problems import documented

router = APIRouter(prefix="/orders", tags=["orders"], responses=documented(422, 503, 504))


IdempotencyKey = Annotated[
    str | None,
    Header(description="makes a retry safe: the same key gets the same order"),
    StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$"),
]


def database_of(request: Request) -> Database:
    """The database of the process that answers. Called, not injected: FastAPI's `Depends` costs a read a tenth."""
    database: Database = request.app.state.database
    return database


@router.post("", status_code=201, responses=documented(400, 413))
async def place_order(new: NewOrder, request: Request, idempotency_key: IdempotencyKey = None) -> PlacedOrder:
    """Place an order. It is committed when the answer is sent: a 201 survives whatever happens to this process."""
    async with database_of(request).transaction() as connection:
        order, _is_new = await insert_order(connection, new, idempotency_key)
    return PlacedOrder.model_validate(order)


@router.get("/{order_id}", responses=documented(404))
async def read_order(order_id: uuid.UUID, request: Request) -> PlacedOrder:
    """One order."""
    async with database_of(request).reading() as connection:
        return PlacedOrder.model_validate(await find_order(connection, order_id))


@router.get("")
async def read_orders(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> OrderPage:
    """A page of orders, newest first."""
    async with database_of(request).reading() as connection:
        orders, next_cursor = await list_orders(connection, limit, cursor)
    return OrderPage.model_validate({"items": orders, "next_cursor": next_cursor})
