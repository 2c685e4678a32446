"""The event stream's last step: a line to a file descriptor (factor XI)."""

import os
import select
import threading

MAX_LINE_BYTES = 4096  # PIPE_BUF: writes up to this are atomic, so that several processes can share one pipe
PATIENCE_MILLISECONDS = 500


class Stream:
    """Writes lines to a file descriptor at once: no buffer that a kill −9 could lose.

    A reader that has gone is ignored. A reader that has stopped costs one wait of half a second; from then on events
    are dropped, and counted, until there is room again, because a full pipe must not freeze the service.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lock = threading.Lock()
        self.dropped_events = 0

    def write(self, line: bytes) -> None:
        with self._lock:
            try:
                if not self._poll.poll(0 if self.dropped_events else PATIENCE_MILLISECONDS):
                    raise BlockingIOError
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                self.dropped_events += 1
            else:
                self.dropped_events = 0
