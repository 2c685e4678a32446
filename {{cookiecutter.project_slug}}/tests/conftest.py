"""What all tests share: a real PostgreSQL, and copies of a migrated database in it."""

import asyncio
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from app.settings import Settings
from app.web import create_app
from dev.postgres import throw_away_postgres

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1, help="repeat whatever involves a signal, an outage or a race")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds = metafunc.config.getoption("rounds")
    if rounds > 1 and metafunc.definition.get_closest_marker("race"):
        metafunc.fixturenames.append("round_number")
        metafunc.parametrize("round_number", range(1, rounds + 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def round_number() -> int:
    return 1


def pytest_report_header() -> list[str]:
    """Say when the tests run on another Python than production will."""
    dockerfile = ROOT / "Dockerfile"
    text = dockerfile.read_text() if dockerfile.exists() else ""
    found = re.search(r"(?:python:?|PYTHON_VERSION=)(\d+\.\d+)", text)
    image = found and found[1]
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [f"NOTE: these tests run on Python {running}, the image on {image}"] if image and image != running else []


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """URL of a PostgreSQL server on which databases may be made: TEST_DATABASE_URL, DATABASE_URL or the wheel's own."""
    url = os.environ.get("TEST_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if url:
        yield url
        return
    with throw_away_postgres() as server:
        yield server.url


@contextmanager
def new_database(cluster: str, template: str = "template0") -> Iterator[str]:
    """A database's URL; it is dropped afterwards, whoever still uses it. `template` is the name of one to copy."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")  # 8 times as quick
    try:
        yield with_database(cluster, name)
    finally:
        with psycopg.connect(cluster, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def migrate(database_url: str) -> None:
    """Bring a database to head in the way that an operator does."""
    command = [sys.executable, "-I", "-m", "app", "migrate"]
    done = subprocess.run(command, env={"DATABASE_URL": database_url}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def migrated_template(cluster: str) -> Iterator[str]:
    """The name of a migrated database that others are copied from: 30 ms each instead of a migration."""
    with new_database(cluster) as url:
        migrate(url)
        yield str(make_url(url).database)


@pytest.fixture(scope="module")
def database(cluster: str, migrated_template: str) -> Iterator[str]:
    """URL of a migrated database, the module's own."""
    with new_database(cluster, migrated_template) as url:
        yield url


@pytest.fixture
def fresh_database(cluster: str, migrated_template: str) -> Iterator[str]:
    """URL of a migrated database, the test's own."""
    with new_database(cluster, migrated_template) as url:
        yield url


@pytest.fixture
def empty_database(cluster: str) -> Iterator[str]:
    """URL of a database without any schema."""
    with new_database(cluster) as url:
        yield url


class Api:
    """A client of the application in this process: no server, no socket, but the real database."""

    def __init__(self, **settings: str) -> None:
        self._runner = asyncio.Runner()
        self.app = create_app(Settings.model_validate(settings))
        transport = httpx.ASGITransport(app=self.app)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://test")

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self.app.state.database.close())
        self._runner.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)


@pytest.fixture
def api(database: str) -> Iterator[Api]:
    """The application on the module's database."""
    with Api(DATABASE_URL=database) as client:
        yield client
