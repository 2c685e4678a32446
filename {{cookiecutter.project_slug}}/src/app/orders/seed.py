"""Example orders for a new database: an admin process with settings of its own (factor XII)."""

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.typing import FilteringBoundLogger

from app.database import Database
from app.errors import ConfigurationError
from app.orders.models import Order
from app.orders.schemas import NewOrder
from app.orders.store import insert_order
from app.settings import SeedSettings, Settings

KEY_PREFIX = "seed-"
ITEMS = ("teapot", "kettle", "cup", "saucer", "spoon")

log: FilteringBoundLogger = structlog.get_logger(__name__)


async def seed_orders(settings: Settings, seed: SeedSettings) -> None:
    """Place SEED_ORDERS example orders, each in a transaction of its own.

    Their idempotency keys make it safe to run again, also after a kill in the middle: what is there is not placed
    twice. A database that holds other orders, too, is left alone (`ConfigurationError`) unless SEED_CONFIRM is yes.
    """
    database = Database(settings, "seed")
    try:
        async with database.reading() as connection:
            foreign = await _count_foreign_orders(connection)
        if foreign and seed.seed_confirm != "yes":
            reason = f"is not set to `yes`, and the database already holds {foreign} other orders"
            raise ConfigurationError({"SEED_CONFIRM": reason})
        placed = 0
        for number in range(seed.seed_orders):
            new = NewOrder(item=ITEMS[number % len(ITEMS)], quantity=number % 10 + 1)
            async with database.transaction() as connection:
                _, is_new = await insert_order(connection, new, f"{KEY_PREFIX}{number}")
            placed += is_new
        log.info("database seeded", placed=placed, already_there=seed.seed_orders - placed)
    finally:
        await database.close()


async def _count_foreign_orders(connection: AsyncConnection) -> int:
    is_ours = func.coalesce(Order.idempotency_key, "").startswith(KEY_PREFIX)
    return await connection.scalar(select(func.count()).select_from(Order).where(~is_ours)) or 0
