"""The attached service that fulfils orders, when FULFILMENT_URL names one (factors IV and VII)."""

import asyncio
import uuid
from types import TracebackType

import httpx
from structlog.contextvars import get_contextvars

from app.jobs import PermanentFailure, TemporaryFailure

LIMIT_SECONDS = 10.0  # for the whole exchange; httpx's own limits start anew with every byte
PASSING = (408, 425, 429)  # of 4xx, those that tell a client to come again


class FulfilmentUnavailable(TemporaryFailure):
    """The service is away, busy, broken, or does not speak HTTP."""


class FulfilmentRefused(PermanentFailure):
    """The service understood the order and does not want it."""


class FulfilmentService:
    """A client of the service. Only the URL says where it is: no proxy or netrc from the environment."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(base_url=url, timeout=LIMIT_SECONDS, limits=limits, trust_env=False)

    async def __aenter__(self) -> "FulfilmentService":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def fulfil(self, order_id: uuid.UUID, item: str, quantity: int) -> None:
        """Have an order fulfilled; raise `FulfilmentUnavailable` or `FulfilmentRefused`.

        It may be asked again after a lost answer: the order's id as Idempotency-Key tells it that this is the same one.
        """
        headers = {"Idempotency-Key": str(order_id), "X-Request-ID": get_contextvars().get("request_id", str(order_id))}
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                status = await self._post({"item": item, "quantity": quantity}, headers)
        except TimeoutError:
            raise FulfilmentUnavailable(f"The fulfilment service did not answer within {LIMIT_SECONDS:g} s.") from None
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise FulfilmentUnavailable(f"The fulfilment service did not answer: {error!r}.") from error
        if 400 <= status < 500 and status not in PASSING:
            raise FulfilmentRefused(f"The fulfilment service refused the order with {status}.")
        if not 200 <= status < 300:
            raise FulfilmentUnavailable(f"The fulfilment service answered {status}.")

    async def _post(self, order: dict[str, str | int], headers: dict[str, str]) -> int:
        """The answer's status. Its body is not even read: it may be endless."""
        async with self._client.stream("POST", "/orders", json=order, headers=headers) as response:
            return response.status_code
