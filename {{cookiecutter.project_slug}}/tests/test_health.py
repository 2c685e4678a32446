"""Probes: alive is the process's own matter, ready depends on drain, database and schema."""

import psycopg

from app.database import REQUIRED_REVISION
from tests.conftest import Api


def test_alive_without_a_database() -> None:
    with Api(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", DATABASE_TIMEOUT_SECONDS="1") as api:
        assert api.get("/livez").json() == {"status": "alive"}
        unready = api.get("/readyz")

    assert unready.status_code == 503
    assert unready.headers["retry-after"] == "1"
    assert unready.json()["reasons"]


def test_ready_on_a_migrated_database(api: Api) -> None:
    assert api.get("/readyz").json() == {"status": "ready"}


def test_unready_while_draining_and_saying_goodbye(api: Api) -> None:
    api.app.state.readiness.is_draining = True

    answer = api.get("/readyz")

    assert answer.status_code == 503
    assert "draining" in answer.json()["detail"]
    assert answer.headers["connection"] == "close"
    assert api.get("/livez").status_code == 200


def test_unready_on_an_older_schema_naming_both_revisions(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")

    with Api(DATABASE_URL=fresh_database) as api:
        detail = api.get("/readyz").json()["detail"]

    assert "0000" in detail
    assert REQUIRED_REVISION in detail


def test_version_names_service_build_and_release(database: str) -> None:
    with Api(DATABASE_URL=database, RELEASE="v7") as api:
        version = api.get("/version").json()

    assert version.keys() == {"service", "version", "commit", "release"}
    assert version["release"] == "v7"
