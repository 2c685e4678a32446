"""Comparator (b): FastAPI and SQLAlchemy as everybody writes them, an ORM session per request and nothing of ours.

No access log, request ids, limits or error answers; the same database driver, pool size, server and response models.
"""

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, String, Uuid, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ENQUEUE = text("""
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW('orders', 'fulfil_order', 0, NULL, NULL, CAST(:arguments AS jsonb), NULL)::procrastinate_job_to_defer_v1
    ])
""")


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, server_default=text("uuidv7()"))
    item: Mapped[str] = mapped_column(String(200))
    quantity: Mapped[int]
    status: Mapped[str] = mapped_column(String(20), server_default="placed")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class NewOrder(BaseModel):
    item: str = Field(min_length=1, max_length=200)
    quantity: int = Field(ge=1, le=1000)


class PlacedOrder(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    item: str
    quantity: int
    status: str
    created_at: datetime


class OrderPage(BaseModel):
    items: list[PlacedOrder]
    next_cursor: str | None


class Status(BaseModel):
    status: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_async_engine(url, pool_size=10, max_overflow=0)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


async def session_of(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_of)]

app = FastAPI(title="bare", lifespan=lifespan)


@app.get("/livez")
async def livez() -> Status:
    return Status(status="alive")


@app.get("/orders/{order_id}")
async def read_order(order_id: uuid.UUID, session: Session) -> PlacedOrder:
    order = await session.get(Order, order_id)
    if order is None:
        raise HTTPException(404)
    return PlacedOrder.model_validate(order)


@app.get("/orders")
async def read_orders(session: Session, limit: int = 50, cursor: uuid.UUID | None = None) -> OrderPage:
    statement = select(Order).order_by(Order.id.desc()).limit(limit + 1)
    if cursor is not None:
        statement = statement.where(Order.id < cursor)
    orders = (await session.scalars(statement)).all()
    next_cursor = str(orders[limit - 1].id) if len(orders) > limit else None
    return OrderPage(items=[PlacedOrder.model_validate(order) for order in orders[:limit]], next_cursor=next_cursor)


@app.post("/orders", status_code=201)
async def place_order(new: NewOrder, session: Session) -> PlacedOrder:
    order = Order(item=new.item, quantity=new.quantity)
    session.add(order)
    await session.flush()
    await session.execute(ENQUEUE, {"arguments": json.dumps({"order_id": str(order.id)})})
    await session.commit()
    return PlacedOrder.model_validate(order)
