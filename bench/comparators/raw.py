"""Comparator (a): an ASGI function with psycopg and nothing else, the least that Python can do for these answers."""

import json
import os
import uuid
from typing import Any

from psycopg_pool import AsyncConnectionPool

COLUMNS = "id, item, quantity, status, created_at"
FIND = f"SELECT {COLUMNS} FROM orders WHERE id = %s"
PAGE = f"SELECT {COLUMNS} FROM orders ORDER BY id DESC LIMIT %s"
PLACE = f"INSERT INTO orders (item, quantity) VALUES (%s, %s) RETURNING {COLUMNS}"
ENQUEUE = """
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW('orders', 'fulfil_order', 0, NULL, NULL, %s::jsonb, NULL)::procrastinate_job_to_defer_v1
    ])
"""

pool = AsyncConnectionPool(
    os.environ["DATABASE_URL"], min_size=10, max_size=10, open=False, kwargs={"autocommit": True}
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["path"] == "/livez":
        await _answer(send, {"status": "alive"})
    elif scope["method"] == "POST":
        await _place_order(receive, send)
    elif scope["path"] == "/orders":
        async with pool.connection() as connection:
            rows = await (await connection.execute(PAGE, (11,))).fetchall()
        await _answer(send, {"items": [_order(row) for row in rows[:10]], "next_cursor": str(rows[9][0])})
    else:
        async with pool.connection() as connection:
            row = await (await connection.execute(FIND, (uuid.UUID(scope["path"][8:]),))).fetchone()
        await _answer(send, _order(row))


async def _place_order(receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    new = json.loads(body)
    async with pool.connection() as connection, connection.transaction():
        row = await (await connection.execute(PLACE, (new["item"], new["quantity"]))).fetchone()
        await connection.execute(ENQUEUE, (json.dumps({"order_id": str(row[0])}),))
    await _answer(send, _order(row), 201)


def _order(row: Any) -> dict[str, Any]:
    return {"id": str(row[0]), "item": row[1], "quantity": row[2], "status": row[3], "created_at": row[4].isoformat()}


async def _answer(send: Any, content: Any, status: int = 200) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await pool.open(wait=True)
        else:
            await pool.close()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
