"""What `make scale` measures with: processes of the service, and an attached one that takes its time."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

from dev.programs import die_with_parent

ORDER_SECONDS = 0.5


class SlowFulfilment(BaseHTTPRequestHandler):
    """The attached service: says yes after half a second."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(ORDER_SECONDS)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a worker was killed while it waited for the answer


@contextmanager
def slow_fulfilment() -> Iterator[str]:
    server = Server(("127.0.0.1", 0), SlowFulfilment)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@contextmanager
def running(command: str, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the service, ended with the block."""
    arguments = [sys.executable, "-I", "-m", "app", command]
    process = subprocess.Popen(
        arguments, env=settings, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent(signal.SIGKILL)
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


class Shop:
    """The database and the `web` process that all rounds share."""

    def __init__(self, database_url: str, port: int) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._port = port

    def count(self, what: str) -> int:
        row = self._connection.execute(f"SELECT count(*) FROM {what}").fetchone()
        return int(row[0]) if row else 0

    def is_open(self) -> bool:
        try:
            return self._ask("GET", "/readyz") == 200
        except OSError:
            return False

    def place_orders(self, count: int) -> None:
        for number in range(count):
            assert self._ask("POST", "/orders", {"item": f"order {number}", "quantity": 1}) == 201

    def _ask(self, method: str, path: str, body: object = None) -> int:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, body=json.dumps(body) if body else None, headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status
