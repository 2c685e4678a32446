"""Errors as answers: one table from situations to HTTP, in the form of RFC 9457 (`application/problem+json`)."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from structlog.typing import FilteringBoundLogger

from app.errors import DatabaseUnavailable, IdempotencyKeyReused, InvalidCursor, OrderNotFound, SchemaOutdated

log: FilteringBoundLogger = structlog.get_logger(__name__)

RETRY_AFTER = {"Retry-After": "1"}  # seconds; readiness, which a balancer reads, heals as fast

ANSWERS: dict[type[Exception], tuple[HTTPStatus, dict[str, str]]] = {
    OrderNotFound: (HTTPStatus.NOT_FOUND, {}),
    InvalidCursor: (HTTPStatus.UNPROCESSABLE_ENTITY, {}),
    IdempotencyKeyReused: (HTTPStatus.UNPROCESSABLE_ENTITY, {}),
    SchemaOutdated: (HTTPStatus.SERVICE_UNAVAILABLE, RETRY_AFTER),
    DatabaseUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, RETRY_AFTER),
}


class Problem(BaseModel):
    """What an error looks like to a client (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


class ProblemResponse(JSONResponse):
    """An answer that says what went wrong."""

    media_type = "application/problem+json"


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the API's contract says of these statuses; FastAPI would document them as `application/json`."""
    content = {ProblemResponse.media_type: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def problem(
    status: int, detail: str | None = None, headers: dict[str, str] | None = None, **members: Any
) -> ProblemResponse:
    """The answer for a status; `detail` is for the caller to read, `members` for its program."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail or title} | members
    return ProblemResponse(body, status_code=status, headers=headers)


def answer_errors(app: FastAPI) -> None:
    """Have every error that a request can meet answered by this module."""
    for situation in ANSWERS:
        app.add_exception_handler(situation, _answer_situation)
    app.exception_handler(HTTPException)(_answer_http_exception)
    app.exception_handler(RequestValidationError)(_answer_invalid_request)


async def _answer_situation(_request: Request, error: Exception) -> ProblemResponse:
    status, headers = next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    if status >= 500:
        log.warning("request not served", reason=str(error), cause=getattr(error, "cause", ""))
    return problem(status, str(error), headers)


async def _answer_http_exception(request: Request, error: HTTPException) -> ProblemResponse:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers |= _allowed_methods(request)
    return problem(error.status_code, error.detail, headers)


def _allowed_methods(request: Request) -> dict[str, str]:
    """All that the path takes; Starlette names the methods of one of its routes only."""
    operations = request.app.openapi()["paths"].get(request.scope["route"].path, {})
    methods = sorted(method.upper() for method in operations) + ["HEAD"] * ("get" in operations)
    return {"Allow": ", ".join(methods)} if methods else {}


async def _answer_invalid_request(_request: Request, error: RequestValidationError) -> ProblemResponse:
    """Name each bad field and why, without its value: it may be secret, huge, or not even encodable."""
    fields = [{"field": _place(e["loc"]), "reason": e["msg"]} for e in error.errors()]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The request does not have the expected form.", errors=fields)


def _place(location: tuple[int | str, ...]) -> str:
    """`body.quantity`; a name that the client chose itself may hold what JSON cannot, so it is made ASCII."""
    return ".".join(str(part) for part in location)[:200].encode("ascii", "replace").decode()
