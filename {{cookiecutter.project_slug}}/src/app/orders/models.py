"""The orders table. PostgreSQL makes the ids: `uuidv7()` grows with time, so the newest orders have the largest ids."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, String, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class Order(Base):
    """What somebody wants, and how far it has come: `placed`, then `fulfilled`."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("quantity BETWEEN 1 AND 1000", name="orders_quantity_range"),
        CheckConstraint("status IN ('placed', 'fulfilled')", name="orders_status_known"),
        Index("orders_placed", "created_at", postgresql_where=text("status = 'placed'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, server_default=text("uuidv7()"))
    item: Mapped[str] = mapped_column(String(200))
    quantity: Mapped[int]
    status: Mapped[str] = mapped_column(String(20), server_default="placed")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    idempotency_key: Mapped[str | None] = mapped_column(String(255), unique=True)


class Fulfilment(Base):
    """That an order was fulfilled: the effect of its job. The primary key lets there be one per order, ever."""

    __tablename__ = "fulfilments"

    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Order.id), primary_key=True)
    fulfilled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
