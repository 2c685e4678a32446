"""A service that the worker asks over HTTP, whose answers the test chooses."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from tests.factors.tools import HOST, wait_until


@dataclass(frozen=True)
class Call:
    """One request that came in."""

    at: float  # of the monotonic clock
    path: str
    key: str  # its Idempotency-Key
    request_id: str
    body: bytes


class AttachedService:
    """Answers with `status`, or what `answer` says of a call, after `delay` seconds and as soon as `open` is set."""

    def __init__(self, port: int = 0) -> None:
        self.calls: list[Call] = []
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()
        self.status, self.delay = 201, 0.0
        self.answer: Callable[[Call], int | bytes] = lambda _call: self.status  # bytes are sent as they are
        self.open = threading.Event()
        self.open.set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                key, request_id = self.headers.get("Idempotency-Key", ""), self.headers.get("X-Request-ID", "")
                call = Call(time.monotonic(), self.path, key, request_id, body)
                with service._counted(call):
                    time.sleep(service.delay)
                    service.open.wait()
                with suppress(OSError):  # the worker did not wait
                    self._send(service.answer(call))

            def _send(self, answer: int | bytes) -> None:
                if isinstance(answer, bytes):
                    self.wfile.write(answer)
                    self.close_connection = True
                    return
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 200

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server((HOST, port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "AttachedService":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def _counted(self, call: Call) -> Iterator[None]:
        with self._lock:
            self.calls.append(call)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        yield
        with self._lock:
            self._at_once -= 1

    def wait_for_calls(self, count: int, seconds: float = 10) -> None:
        wait_until(lambda: len(self.calls) >= count, seconds, f"{count} calls")
