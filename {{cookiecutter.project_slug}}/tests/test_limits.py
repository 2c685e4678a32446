"""What one request may take: bytes and seconds; beyond it the answer says so."""

import asyncio
from collections.abc import AsyncIterator

from tests.conftest import Api


def test_a_declared_body_over_the_limit_is_413(database: str) -> None:
    with Api(DATABASE_URL=database, REQUEST_MAX_BYTES="10") as api:
        answer = api.post("/orders", content=b"x" * 11)

    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_a_chunked_body_over_the_limit_is_413(database: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"12345"

    with Api(DATABASE_URL=database, REQUEST_MAX_BYTES="10") as api:
        answer = api.post("/orders", content=chunks())

    assert answer.status_code == 413


def test_a_request_over_its_time_is_504(database: str) -> None:
    with Api(DATABASE_URL=database, REQUEST_TIMEOUT_SECONDS="0.05") as api:

        @api.app.get("/slow")
        async def slow() -> None:
            await asyncio.sleep(10)

        answer = api.get("/slow")

    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
