"""Several processes of `web` under one parent, for platforms whose unit is a machine and not a container (factor VIII).

uvicorn has such a parent, too. It looks at its signals only every 0.5 s, and not at all while it waits, for up to 5 s,
for an answer from a process that is still starting or has just died; meanwhile it replaces those that have obeyed.
This one waits for signals and for ends, and for nothing else.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog
from structlog.typing import FilteringBoundLogger

SOUND_START_SECONDS = 5.0  # a process that ends sooner than this would do so again

log: FilteringBoundLogger = structlog.get_logger(__name__)


class Supervisor:
    """Starts processes, passes signals on, and replaces a process that has died."""

    def __init__(self, start: Callable[[], SpawnProcess], processes: int, on_stop: Callable[[], None]) -> None:
        self._start = start
        self._on_stop = on_stop
        self._is_stopping = False
        self._started_at: dict[SpawnProcess, float] = {}
        signal.signal(signal.SIGTERM, self._pass_on)
        signal.signal(signal.SIGINT, self._pass_on)
        for _ in range(processes):
            self._add_process()

    def run(self) -> int:
        """Return once all processes have ended: 0 when they were told to, 1 when one of them could not start."""
        exit_code = 0
        while self._started_at:
            ended = wait([process.sentinel for process in self._started_at])
            for process in [process for process in self._started_at if process.sentinel in ended]:
                process.join()
                seconds = time.monotonic() - self._started_at.pop(process)
                if self._is_stopping:
                    continue
                log.error("process died", died=process.pid, exit_code=process.exitcode, after_seconds=round(seconds, 1))
                if seconds < SOUND_START_SECONDS:
                    exit_code = 1
                    self._pass_on(signal.SIGTERM, None)
                else:
                    self._add_process()
        return exit_code

    def _add_process(self) -> None:
        if self._is_stopping:
            return
        process = self._start()
        self._started_at[process] = time.monotonic()
        if self._is_stopping:  # the signal came in between, and passed this one by
            process.terminate()

    def _pass_on(self, signum: int, _frame: FrameType | None) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._on_stop()
        for process in list(self._started_at):
            with suppress(ProcessLookupError):
                if process.pid is not None:
                    os.kill(process.pid, signum)


def spawn(target: Callable[..., None], *arguments: object) -> SpawnProcess:
    """Start `target` in a new interpreter; a fork would share this one's threads and locks."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    return process
