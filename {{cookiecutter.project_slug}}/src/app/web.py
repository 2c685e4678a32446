"""The web application: the composition root, where every part meets its settings."""

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from structlog.typing import FilteringBoundLogger

from app import health
from app.database import Database
from app.identity import SERVICE, build_commit, service_version
from app.limits import LimitsMiddleware
from app.middleware import AccessMiddleware
from app.orders import routes as orders
from app.problems import answer_errors
from app.settings import Settings

log: FilteringBoundLogger = structlog.get_logger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """Compose the application. Nothing is connected yet: the database may come later, or go and come back."""
    database = Database(settings, "web")
    readiness = health.Readiness(database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        gc.freeze()  # what start-up has made stays: without this the collector stops requests for 60 ms to look at it
        gc.set_threshold(10_000)  # by default it looks every few requests, for a twentieth of their CPU
        log.info("web started", host=settings.host, port=settings.port, commit=build_commit(), pid=os.getpid())
        yield
        await database.close()
        log.info("web stopped")

    app = FastAPI(title=SERVICE, version=service_version(), lifespan=lifespan)
    app.state.settings, app.state.database, app.state.readiness = settings, database, readiness
    # Routes are tried in turn: before FastAPI's own, and not with `include_router`, which would try each of ours twice.
    app.router.routes[:0] = [*health.router.routes, *orders.router.routes]
    answer_errors(app)
    app.add_middleware(LimitsMiddleware, settings=settings)
    app.add_middleware(AccessMiddleware, readiness=readiness)  # the last one added is the outermost
    return app
