"""What a platform asks: is the process alive, may it get requests, which release is it (factor IX)."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.database import Database
from app.errors import DatabaseUnavailable
from app.identity import SERVICE, build_commit, service_version
from app.problems import RETRY_AFTER, documented, problem
from app.settings import Settings

PROBES = frozenset({"/livez", "/readyz", "/version"})  # answered whatever the load, and logged at debug

router = APIRouter(tags=["health"])


class Readiness:
    """Whether this process may be sent requests. Draining is set once, by SIGTERM, and never taken back."""

    def __init__(self, database: Database) -> None:
        self.is_draining = False
        self._database = database

    async def reasons_against(self) -> list[str]:
        """Why this process should get no requests now; an empty list when it should."""
        if self.is_draining:
            return ["draining: this process was asked to stop"]
        try:
            await self._database.require_schema()
        except DatabaseUnavailable as error:
            return [str(error)]
        return []


class Status(BaseModel):
    """A probe's good answer."""

    status: str


class Version(BaseModel):
    """Which service this is, the commit of its build, and the release (build + config) it runs as."""

    service: str
    version: str
    commit: str
    release: str


@router.get("/livez")
async def livez() -> Status:
    """Whether the process works; it asks nobody else, since a restart does not heal another's outage."""
    return Status(status="alive")


@router.get("/readyz", responses=documented(503))
async def readyz(request: Request) -> Response:
    """Whether requests may come here: not while draining, nor without its database, nor on too old a schema."""
    readiness: Readiness = request.app.state.readiness
    reasons = await readiness.reasons_against()
    if reasons:
        detail = "Not ready: " + " ".join(reasons)
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, RETRY_AFTER, reasons=reasons)
    return Response('{"status":"ready"}', media_type="application/json")


@router.get("/version")
async def read_version(request: Request) -> Version:
    """What runs here."""
    settings: Settings = request.app.state.settings
    return Version(service=SERVICE, version=service_version(), commit=build_commit(), release=settings.release)
