"""The services under test as processes: started, timed until their first answer, weighed, stopped."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from dev.postgres import free_port

TEMPLATE = Path(__file__).resolve().parent.parent
UVICORN = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
START_SECONDS = 30.0


@dataclass(frozen=True)
class Kind:
    """A service to compare: its name in the report and the command that starts it on a port."""

    name: str
    command: tuple[str, ...]


def _comparator(name: str, module: str) -> Kind:
    return Kind(name, ("-m", "uvicorn", *UVICORN, f"bench.comparators.{module}:app", "--port", "{port}"))


RAW = _comparator("raw", "raw")
BARE = _comparator("bare", "bare")
RENDERED = Kind("rendered", ("-I", "-m", "app", "web"))
KINDS = (RAW, BARE, RENDERED)


@dataclass
class Service:
    """A running service."""

    url: str
    process: psutil.Process
    start_seconds: float

    def cpu_seconds(self) -> float:
        """CPU time of the process and its children so far."""
        return sum(sum(p.cpu_times()[:2]) for p in self.members())

    def resident_mb(self) -> float:
        """Resident memory of the process and its children, in MB of 10⁶ bytes."""
        return sum(p.memory_info().rss for p in self.members()) / 1e6

    def members(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def seconds_to_answer(self, path: str = "/livez", timeout: float = 10.0) -> float:
        """How long one request takes; raise `OSError` when it is not answered with 2xx."""
        started = time.perf_counter()
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            answer.read()
        return time.perf_counter() - started


@contextmanager
def running(kind: Kind, database_url: str, settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """A service that answers, on a port of its own, with its events read by nobody but the kernel's /dev/null."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"DATABASE_URL": database_url, "PORT": str(port), "HOST": "127.0.0.1", "PYTHONPATH": str(TEMPLATE)}
    environment |= {"DRAIN_SECONDS": "0", **(settings or {})}
    command = [sys.executable, *(part.format(port=port) for part in kind.command)]
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            service = Service(f"http://127.0.0.1:{port}", psutil.Process(process.pid), 0.0)
            _wait_until_answering(service, process)
            service.start_seconds = time.perf_counter() - started
            yield service
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_until_answering(service: Service, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            service.seconds_to_answer()
            return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The service did not start: {process.args!r}") from None
            time.sleep(0.005)
