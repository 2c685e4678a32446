"""One hard deadline for a stop: whatever hangs, a platform's SIGKILL need not come (factor IX)."""

import os
import threading

import structlog
from structlog.typing import FilteringBoundLogger

log: FilteringBoundLogger = structlog.get_logger(__name__)

GRACE_SECONDS = 1.0  # after the limits themselves, for closing pools


def end_by_deadline(seconds: float) -> None:
    """End this process with exit code 0 when it has not ended by itself `seconds` (and 1 s for closing) from now.

    A thread of its own keeps the time, since what hangs may well be the event loop.
    """

    def end() -> None:
        log.warning("stop cut short", limit_seconds=seconds + GRACE_SECONDS)
        os._exit(0)

    timer = threading.Timer(seconds + GRACE_SECONDS, end)
    timer.daemon = True
    timer.start()
