"""The database: transactions that are all or nothing, one deadline, and the revision that the code needs."""

import asyncio
import time
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

import app
from app.connections import connection_parameters
from app.database import REQUIRED_REVISION, Database
from app.errors import DatabaseUnavailable, SchemaOutdated
from app.settings import Settings


def settings_for(url: str, **more: str) -> Settings:
    return Settings.model_validate({"DATABASE_URL": url, **more})


async def execute(settings: Settings, statement: str, *, fail: bool = False) -> None:
    database = Database(settings, "test")
    try:
        async with database.transaction() as connection:
            await connection.execute(text(statement))
            if fail:
                raise ZeroDivisionError
    finally:
        await database.close()


def test_the_required_revision_is_the_newest() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(app.__file__).parent / "migrations"))

    assert ScriptDirectory.from_config(config).get_current_head() == REQUIRED_REVISION


def test_a_transaction_that_fails_leaves_nothing(fresh_database: str) -> None:
    insert = "INSERT INTO orders (item, quantity) VALUES ('cup', 1)"

    asyncio.run(execute(settings_for(fresh_database), insert))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(execute(settings_for(fresh_database), insert, fail=True))

    with psycopg.connect(fresh_database) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)


def test_a_statement_over_the_deadline_is_unavailability(database: str) -> None:
    began = time.monotonic()

    with pytest.raises(DatabaseUnavailable):
        asyncio.run(execute(settings_for(database, DATABASE_TIMEOUT_SECONDS="0.3"), "SELECT pg_sleep(10)"))

    assert time.monotonic() - began < 2


def test_a_missing_table_is_an_outdated_schema(empty_database: str) -> None:
    with pytest.raises(SchemaOutdated):
        asyncio.run(execute(settings_for(empty_database), "SELECT * FROM orders"))


def test_a_connection_says_who_it_is_and_reads_its_password_afresh(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("first\n")
    settings = settings_for("postgresql://u:old@h/d", DATABASE_PASSWORD_FILE=str(secret))

    first = connection_parameters(settings, "web")
    secret.write_text("second\n")
    second = connection_parameters(settings, "web")

    assert (first["password"], second["password"]) == ("first", "second")
    assert str(first["application_name"]).endswith("/web")
