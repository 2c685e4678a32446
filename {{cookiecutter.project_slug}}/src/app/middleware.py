"""Around every request: its id, one access event, and what is the same in every answer (factor XI).

Pure ASGI, because Starlette's BaseHTTPMiddleware runs the application in another task and costs a request as much
as the application itself.
"""

import re
import secrets
import time
from collections.abc import Callable
from functools import partial

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars
from structlog.typing import FilteringBoundLogger

from app.health import PROBES, Readiness
from app.problems import problem

log: FilteringBoundLogger = structlog.get_logger(__name__)

SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")  # anything else could not be trusted in a log


class AccessMiddleware:
    """Gives a request its id, turns a crash into a 500, and says once how the request went."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _client_request_id(scope) or secrets.token_hex(16)
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        # GET's answer serves HEAD as well (RFC 9110, 9.3.2); the server leaves the body out
        is_head = scope["method"] == "HEAD"
        inner = dict(scope, method="GET") if is_head else scope
        started = time.perf_counter()
        log_access = partial(_log_access, scope["method"], inner, started)
        answer = _Answer(send, request_id, self._readiness, is_head, log_access)
        try:
            await self._app(inner, receive, answer.send)
        except Exception:
            log.exception("request crashed")
            if answer.status is None:
                await problem(500)(inner, receive, answer.send)
        finally:
            answer.end()


class _Answer:
    """Passes an answer on, with the headers that every answer has, and remembers what it was."""

    def __init__(
        self,
        send: Send,
        request_id: str,
        readiness: Readiness,
        is_head: bool,
        log_access: Callable[["_Answer"], None],
    ) -> None:
        self._send = send
        self._log_access = log_access
        self._has_ended = False
        self._is_head = is_head
        self._request_id = request_id
        self._readiness = readiness
        self.status: int | None = None
        self.body_bytes = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.append("X-Request-ID", self._request_id)
            if self._readiness.is_draining:
                headers["Connection"] = "close"  # sends keep-alive clients to another process before this one goes
        else:
            self.body_bytes += 0 if self._is_head else len(message.get("body", b""))
            if not message.get("more_body", False):
                self.end()  # before the client has it: a kill −9 after an answer loses no event of it
        await self._send(message)

    def end(self) -> None:
        """Say how it went; the second time, nothing."""
        if not self._has_ended:
            self._has_ended = True
            self._log_access(self)


def _client_request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if SANE_REQUEST_ID.fullmatch(value) else None
    return None


def _log_access(method: str, scope: Scope, started: float, answer: _Answer) -> None:
    route = getattr(scope.get("route"), "path", None)
    probe_went_well = route in PROBES and answer.status == 200
    (log.debug if probe_went_well else log.info)(
        "request",
        method=method,
        route=route or "unmatched",  # the template, not the path: of paths there is no end
        path=scope["path"],
        status=answer.status or 499,  # nginx's number for a client that left before there was an answer
        duration_ms=round((time.perf_counter() - started) * 1000, 2),
        bytes=answer.body_bytes,
        client=scope["client"][0] if scope.get("client") else None,
    )
