"""What one request may take: a place, bytes, seconds. Beyond it the answer is 503, 413 or 504, and others go on."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.health import PROBES
from app.problems import RETRY_AFTER, ProblemResponse, problem
from app.settings import Settings

CLOSE = {"Connection": "close"}  # the rest of a body that is not read would be taken for the next request


class LimitsMiddleware:
    """Refuses what the process has no room for; uvicorn's own `limit_concurrency` would refuse probes, too."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._max_requests = settings.request_concurrency
        self._max_bytes = settings.request_max_bytes
        self._timeout_seconds = settings.request_timeout_seconds
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
        elif self._requests >= self._max_requests:
            detail = f"This process already has {self._max_requests} requests in progress."
            await problem(503, detail, RETRY_AFTER | CLOSE)(scope, receive, send)
        elif _declared_bytes(scope) > self._max_bytes:
            await self._too_large()(scope, receive, send)
        else:
            self._requests += 1
            try:
                await self._serve(scope, receive, send)
            finally:
                self._requests -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        received_bytes = 0
        has_started = False

        async def receive_within_limit() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._max_bytes:  # a chunked body declares no length
                raise HTTPException(413, self._too_large_detail, CLOSE)
            return message

        async def send_and_remember(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._app(scope, receive_within_limit, send_and_remember)
        except TimeoutError:
            if has_started:
                raise  # the client gets a torn answer, which it can tell; the event says why
            detail = f"The request was not served within {self._timeout_seconds:g} s."
            await problem(504, detail, CLOSE)(scope, receive, send)

    @property
    def _too_large_detail(self) -> str:
        return f"The body has more than {self._max_bytes} bytes."

    def _too_large(self) -> ProblemResponse:
        return problem(413, self._too_large_detail, CLOSE)


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # the server has refused what is no number
    return 0
