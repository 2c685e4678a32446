"""Example orders: placed once, and never among others' unless confirmed."""

import asyncio

import psycopg
import pytest

from app.errors import ConfigurationError
from app.orders.seed import seed_orders
from app.settings import SeedSettings, Settings


def seed(database_url: str, **settings: str) -> int:
    """Seed, and return how many orders there are."""
    options = SeedSettings.model_validate(settings)
    asyncio.run(seed_orders(Settings.model_validate({"DATABASE_URL": database_url}), options))
    return count(database_url)


def count(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM orders").fetchone()
    return int(row[0]) if row else 0


def test_seeding_twice_places_once(fresh_database: str) -> None:
    assert [seed(fresh_database, SEED_ORDERS="3") for _ in range(2)] == [3, 3]
    assert seed(fresh_database, SEED_ORDERS="5") == 5


def test_others_orders_are_left_alone_unless_confirmed(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute("INSERT INTO orders (item, quantity) VALUES ('cup', 1)")

    with pytest.raises(ConfigurationError, match="SEED_CONFIRM"):
        seed(fresh_database)

    assert count(fresh_database) == 1
    assert seed(fresh_database, SEED_CONFIRM="yes", SEED_ORDERS="2") == 3
