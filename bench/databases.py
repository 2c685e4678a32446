"""The databases that are measured on: migrated by the render's own command, filled in bulk."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
from dev.postgres import Postgres

FILL = """
    INSERT INTO orders (item, quantity) SELECT 'teapot ' || number, 1 + number %% 1000
    FROM generate_series(1, %s) AS number
"""
ENQUEUE = """
    SELECT count(procrastinate_defer_jobs_v1(ARRAY[ROW(
        'orders', 'fulfil_order', 0, NULL, NULL, jsonb_build_object('order_id', id), NULL
    )::procrastinate_job_to_defer_v1])) FROM (SELECT id FROM orders LIMIT %s) AS chosen
"""


def make_database(server: Postgres, name: str, orders: int) -> str:
    """A migrated database with so many orders, and no jobs; return its URL."""
    url = server.url.rsplit("/", 1)[0] + "/" + name
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    environment = os.environ | {"DATABASE_URL": url}
    subprocess.run(
        [sys.executable, "-I", "-m", "app", "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL, (orders,))
        connection.execute("VACUUM ANALYZE")
    return url


def write_ids(url: str, path: Path, limit: int = 1000) -> Path:
    """Some orders' ids, a line each, for the load generator."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id FROM orders ORDER BY random() LIMIT %s", (limit,)).fetchall()
    path.write_text("".join(f"{row[0]}\n" for row in rows))
    return path


def enqueue_jobs(url: str, count: int) -> None:
    """Jobs for so many of the orders."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ENQUEUE, (count,))
        connection.execute("VACUUM ANALYZE")


def count_succeeded(url: str) -> int:
    """How many jobs have been done."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'").fetchone()
    return int(row[0]) if row else 0
