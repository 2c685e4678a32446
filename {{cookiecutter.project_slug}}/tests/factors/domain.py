"""The few things that the factor suite knows about the example domain. Replace orders, and you replace this file."""

import random
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from tests.factors.queued import enqueue

COLLECTION = "/orders"
ROUTE_OF_ONE = "/orders/{order_id}"
TABLE = "orders"


def new_row(item: str = "teapot") -> dict[str, Any]:
    """A body that is accepted with 201."""
    return {"item": item, "quantity": random.randint(1, 9)}


def refused_row() -> dict[str, Any]:
    """A body that is refused with 422."""
    return {"item": "", "quantity": 0}


def write_request() -> tuple[str, str, dict[str, Any]]:
    """What a load client sends to write."""
    return "POST", COLLECTION, new_row()


def read_request() -> tuple[str, str]:
    """What a load client sends to read."""
    return "GET", f"{COLLECTION}?limit=5"


def path_of(row_id: str) -> str:
    return f"{COLLECTION}/{row_id}"


def stored_ids(database_url: str) -> set[str]:
    """The ids of all rows, read behind the service's back."""
    with psycopg.connect(database_url) as connection:
        return {str(row[0]) for row in connection.execute(f"SELECT id FROM {TABLE}")}


def locked(database_url: str) -> AbstractContextManager[psycopg.Connection]:
    """While this block lasts, every read and write of the service waits: a request in flight, for as long as wanted."""
    connection = psycopg.connect(database_url)
    connection.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
    return connection


def refuse_commits(database_url: str) -> None:
    """Have every later write fail, not before but in its COMMIT, as an exhausted disk or a lost connection would."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$"
        )
        connection.execute(
            f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {TABLE} DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION refuse()"
        )


# What must be answered with 4xx, whoever sends it.
HOSTILE: dict[str, tuple[str, str, bytes | None]] = {
    "NUL in a value": ("POST", COLLECTION, b'{"item": "a\\u0000b", "quantity": 1}'),
    "lone surrogate": ("POST", COLLECTION, b'{"item": "\\ud800", "quantity": 1}'),
    "bad UTF-8": ("POST", COLLECTION, b'{"item": "\xff\xfe", "quantity": 1}'),
    "no JSON": ("POST", COLLECTION, b"{"),
    "no object": ("POST", COLLECTION, b"[]"),
    "nothing": ("POST", COLLECTION, b""),
    "deep": ("POST", COLLECTION, b"[" * 100_000),
    "deep value": ("POST", COLLECTION, b'{"item": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"),
    "5 000 digits": ("POST", COLLECTION, b'{"item": "x", "quantity": ' + b"9" * 5000 + b"}"),
    "2^63": ("POST", COLLECTION, b'{"item": "x", "quantity": 9223372036854775808}'),
    "NaN": ("POST", COLLECTION, b'{"item": "x", "quantity": NaN}'),
    "20 MB": ("POST", COLLECTION, b'{"item": "' + b"x" * 20_000_000 + b'", "quantity": 1}'),
    "limit -1": ("GET", f"{COLLECTION}?limit=-1", None),
    "limit 2^63": ("GET", f"{COLLECTION}?limit=9223372036854775808", None),
    "cursor": ("GET", f"{COLLECTION}?cursor=%00%ff", None),
    "cursor 2": ("GET", f"{COLLECTION}?cursor=AAAA", None),
    "id": ("GET", f"{COLLECTION}/%00", None),
    "id 2": ("GET", f"{COLLECTION}/%ff%fe", None),
    "path": ("GET", "/%2e%2e/%2e%2e/etc/passwd", None),
    "query": ("GET", f"{COLLECTION}?limit=%ff&%00=%00", None),
    "method": ("TRACE", COLLECTION, None),
}


# Work for `worker`: each row brings a job, and each job has one effect.
ATTACHED_URL = "FULFILMENT_URL"  # the setting that names the service which the job asks
TASK = "fulfil_order"
QUEUE = "orders"
PERIODIC_TASK = "report_stale_orders"


def place_rows(database_url: str, count: int = 1) -> list[str]:
    """Store rows with their jobs, as the API does but without it; return the ids."""
    insert = f"INSERT INTO {TABLE} (item, quantity) SELECT 'teapot', 1 FROM generate_series(1, %s) RETURNING id::text"
    with psycopg.connect(database_url) as connection:
        ids = [row_id for (row_id,) in connection.execute(insert, (count,))]
        for row_id in ids:
            enqueue(connection, QUEUE, TASK, {"order_id": row_id})
    return ids


def effects(database_url: str) -> list[str]:
    """The ids of the rows whose job has had its effect."""
    done = f"SELECT id::text FROM {TABLE} JOIN fulfilments ON order_id = id WHERE status = 'fulfilled'"
    with psycopg.connect(database_url) as connection:
        return [row_id for (row_id,) in connection.execute(done)]
