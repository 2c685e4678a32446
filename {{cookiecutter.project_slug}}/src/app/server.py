"""`web` as a process: bind the port, serve, and on SIGTERM leave without losing a request (factors VII and IX).

How it stops, in order: SIGTERM → unready at once, still serving, for DRAIN_SECONDS → listener closed, requests in
progress finish, for SHUTDOWN_SECONDS → connections closed → exit 0. One hard deadline stands over all of it.
"""

import asyncio
import functools
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import wait
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from structlog.typing import FilteringBoundLogger
from uvicorn.config import STARTUP_FAILURE

from app.deadline import end_by_deadline
from app.health import Readiness
from app.listener import Acceptor, bound_socket
from app.logs import configure_logs
from app.settings import Settings
from app.supervisor import Supervisor, spawn
from app.web import create_app

KEEP_ALIVE_SECONDS = 75  # longer than balancers keep idle connections (60 s), so that it is never us who hang up first

log: FilteringBoundLogger = structlog.get_logger(__name__)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code. Raise `PortUnavailable` before anything else happens."""
    with bound_socket(settings.host, settings.port) as listener:
        if settings.web_concurrency == 1:
            return _run_until_stopped(settings, listener)
        start = functools.partial(spawn, serve_as_one_of_several, settings, listener)
        return Supervisor(start, settings.web_concurrency, on_stop=listener.close).run()


def serve_as_one_of_several(settings: Settings, listener: socket.socket) -> None:
    """What each of several processes does, in an interpreter of its own."""
    _end_with_parent()
    sys.exit(_run_until_stopped(settings, listener))


def _run_until_stopped(settings: Settings, listener: socket.socket) -> int:
    config = uvicorn.Config(
        functools.partial(build_process, settings),
        factory=True,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http=Acceptor(listener, settings.request_concurrency),  # type: ignore[arg-type]  # it makes what a class makes
        ws="none",
        lifespan="on",
        server_header=False,
        workers=1,
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,  # type: ignore[arg-type]  # asyncio takes fractions
    )
    try:
        uvicorn.Server(config).run([listener])
    except KeyboardInterrupt:
        return 0  # uvicorn raises SIGINT again once it has stopped in good order
    except SystemExit as stop:
        return 1 if stop.code == STARTUP_FAILURE else 0
    return 0


def build_process(settings: Settings) -> FastAPI:
    """The application of one process of `web`, with the drain around its life."""
    configure_logs("web", settings.release, settings.log_level)
    app = create_app(settings)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with inner(app):
            with _drained_on_sigterm(app.state.readiness, settings):
                yield

    app.router.lifespan_context = lifespan
    return app


@contextmanager
def _drained_on_sigterm(readiness: Readiness, settings: Settings) -> Iterator[None]:
    """Put DRAIN_SECONDS between SIGTERM and uvicorn's own handler of it.

    uvicorn closes its listener at once, and every client that has not yet heard of it loses a request. Its handler is
    installed before the lifespan starts, so it can be wrapped there, in one process as in several. It is called from
    the loop: called from within the signal handler it broke one stop in six. When uvicorn gets a drain of its own,
    this function can go; `test_09_disposability` would tell.
    """
    loop = asyncio.get_running_loop()
    stop = signal.getsignal(signal.SIGTERM)
    if not callable(stop):
        raise RuntimeError("uvicorn has installed no handler of SIGTERM before the lifespan")

    def start_draining(signum: int, _frame: FrameType | None) -> None:
        if readiness.is_draining:
            return  # once more, or to the whole group: it changes nothing
        readiness.is_draining = True
        loop.call_soon_threadsafe(drain, signum)

    def drain(signum: int) -> None:
        log.info("draining", drain_seconds=settings.drain_seconds)
        end_by_deadline(settings.drain_seconds + settings.shutdown_seconds)
        loop.call_later(settings.drain_seconds, stop, signum, None)

    signal.signal(signal.SIGTERM, start_draining)
    yield
    readiness.is_draining = True  # stopped by SIGINT: no drain, but what still comes in is told to leave


def _end_with_parent() -> None:
    """Stop when the parent has gone, also by kill −9: nobody would replace this process, and it would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def stop_when_orphaned() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)  # without a drain: no balancer knows of this

    threading.Thread(target=stop_when_orphaned, name="end-with-parent", daemon=True).start()
