"""What an operator has: start a process, watch it, signal it; ask it over HTTP; a balancer; a line that can be cut.

Nothing here retries a request, and everything waits for a condition with a deadline, never for a number of seconds.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import make_url

from dev.postgres import free_port
from dev.programs import die_with_parent

HOST = "127.0.0.1"
APP = (sys.executable, "-I", "-m", "app")  # as Procfile, image and units start it
# What a process finds around it besides its settings: enough for the interpreter, and nothing of this machine's.
SURROUNDINGS = {"PATH": os.defpath, "LANG": "C.UTF-8"}


def wait_until(is_true: Callable[[], Any], seconds: float = 10.0, what: str = "condition") -> float:
    """Return how long it took until `is_true()` was, to a twentieth; fail after `seconds`."""
    started = time.monotonic()
    while not is_true():
        waited = time.monotonic() - started
        assert waited < seconds, f"{what}: not within {seconds:g} s"
        time.sleep(min(max(0.01, waited / 20), 0.25))  # asking costs, a connection to the database most
    return time.monotonic() - started


@dataclass
class Answer:
    """What came back for one request. `status` is 0 when nothing did, and `error` says why."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    def json(self) -> Any:
        return json.loads(self.body)


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> Answer:
    """One request on a connection that may have served others; a failure is an answer, too."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    types = {} if data is None else {"Content-Type": "application/json"}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    started = time.monotonic()
    try:
        connection.request(method, path, data, types | names)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Answer(0, seconds=time.monotonic() - started, error=repr(error))
    lower = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, content, lower, time.monotonic() - started)


def ask(port: int, method: str, path: str, body: Any = None, *, timeout: float = 30, **headers: str) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        return exchange(connection, method, path, body, **headers)
    finally:
        connection.close()


def raw_exchange(port: int, sent: bytes, timeout: float = 10) -> bytes:
    """What comes back for these bytes, until the other side closes or falls silent."""
    with socket.create_connection((HOST, port), timeout=timeout) as connection:
        connection.sendall(sent)
        received = b""
        with contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                received += chunk
                connection.settimeout(0.5)
        return received


@contextlib.contextmanager
def connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, whatever becomes of them; closed at the end also where a check fails."""
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(socket.create_connection((HOST, port), timeout=10)) for _ in range(count)]


class SlowRequest:
    """A request in flight for as long as the test wants: the head and half of the body are sent."""

    def __init__(self, port: int, method: str, path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        self._rest = data[len(data) // 2 :]
        self._connection = socket.create_connection((HOST, port), timeout=30)
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(data)}\r\n\r\n"
        self._connection.sendall(head.encode() + data[: len(data) // 2])

    def finish(self) -> bytes:
        """Send the rest; return the start of the answer."""
        self._connection.sendall(self._rest)
        return self._connection.recv(65536)

    def __enter__(self) -> "SlowRequest":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Process:
    """One process of the service, its output, and its end."""

    def __init__(
        self, arguments: Iterable[str], settings: Mapping[str, str], cwd: Path, stdin: int = subprocess.DEVNULL
    ) -> None:
        port = settings.get("PORT", "")
        self.arguments, self.port = tuple(arguments), int(port) if port.isdigit() else 0
        self.lines: list[tuple[float, bytes]] = []  # when each came, and what it was
        self.errors: list[bytes] = []
        self.started = time.monotonic()
        self.popen = subprocess.Popen(
            self.arguments, env={**SURROUNDINGS, **settings}, cwd=cwd, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )  # fmt: skip
        self._readers = [threading.Thread(target=self._read_events), threading.Thread(target=self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read_events(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append((time.monotonic(), line))

    def _read_errors(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.errors.append(line)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> bytes:
        return b"".join(line for _, line in self.lines)

    @property
    def stderr(self) -> bytes:
        return b"".join(self.errors)

    def events(self, event: str | None = None) -> list[dict[str, Any]]:
        """What the process has said so far; a line that is no JSON object fails the test."""
        said = [json.loads(line) for _, line in list(self.lines)]
        return [e for e in said if event is None or e["event"] == event]

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        """The exit code; fail when there is none in time."""
        self.popen.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return self.popen.returncode

    def waited_for_cpu(self) -> float:
        """Seconds in which it could run and others did: the machine's fault. 0 where the kernel can't tell."""
        schedstat = Path(f"/proc/{self.pid}/schedstat")  # ran, waited [ns], turns: sched-stats.rst of Linux
        return int(schedstat.read_text().split()[1]) / 1e9 if schedstat.exists() else 0.0

    def seconds_until_its_end(self) -> float:
        """Return the seconds from its start until it ended, without those in which it waited for a processor."""
        wait_until(lambda: psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE, 30, "ended")
        return time.monotonic() - self.started - self.waited_for_cpu()

    def terminate(self, seconds: float = 30) -> int:
        """SIGTERM, then the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def destroy(self) -> None:
        """Kill it and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream:
                stream.close()

    def ask(self, method: str, path: str, body: Any = None, *, timeout: float = 30, **headers: str) -> Answer:
        return ask(self.port, method, path, body, timeout=timeout, **headers)

    def is_ready(self) -> bool:
        return self.ask("GET", "/readyz", timeout=5).status == 200

    def wait_until_ready(self, seconds: float = 15) -> float:
        """Return the seconds from its start until it was ready."""
        self._wait_for(self.is_ready, seconds, "ready")
        return time.monotonic() - self.started

    def wait_for_event(self, event: str, seconds: float = 15) -> dict[str, Any]:
        self._wait_for(lambda: self.events(event), seconds, f"event {event!r}")
        return self.events(event)[-1]

    def _wait_for(self, is_true: Callable[[], Any], seconds: float, what: str) -> None:
        wait_until(lambda: is_true() or not self.is_running(), seconds, what)
        assert is_true(), f"ended before this: {what}"

    def wait_until_alive(self, seconds: float = 15) -> None:
        self._wait_for(lambda: self.ask("GET", "/livez", timeout=5).status == 200, seconds, "alive")

    def last_words(self, count: int = 8) -> str:
        """The last events, without what a secret could hide in."""
        text = b"".join([line for _, line in self.lines[-count:]] + self.errors[-count:]).decode(errors="replace")
        return re.sub(r"://([^:/@\s]+):[^@\s]+@", r"://\1:***@", text)


class Load:
    """Clients with keep-alive connections that never retry. `ports` names, each time, where a request may go."""

    def __init__(
        self, ports: Callable[[], list[int]], clients: int, pause: float, make: Callable[[], tuple[Any, ...]]
    ) -> None:
        self.answers: list[tuple[float, Answer]] = []
        self._ports, self._pause, self._make = ports, pause, make
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, turn: int) -> None:
        connections: dict[int, http.client.HTTPConnection] = {}
        while not self._stop.wait(self._pause):
            ports = self._ports()
            if not ports:
                self.answers.append((time.monotonic(), Answer(0, error="the balancer knows no ready process")))
                continue
            turn += 1
            port = ports[turn % len(ports)]
            connection = connections.setdefault(port, http.client.HTTPConnection(HOST, port, timeout=30))
            answer = exchange(connection, *self._make())
            self.answers.append((time.monotonic(), answer))
        for connection in connections.values():
            connection.close()

    def failed(self, since: float = 0.0) -> list[Answer]:
        return [a for at, a in list(self.answers) if at >= since and not 200 <= a.status < 300]


class Balancer:
    """Polls `/readyz` and sends requests to those that say yes, as a platform's load balancer does."""

    def __init__(self, *ports: int, period: float = 0.5) -> None:
        self.ports, self._period = list(ports), period
        self._ready: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def ready(self) -> list[int]:
        return self._ready

    def __enter__(self) -> "Balancer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        while True:
            self._ready = [port for port in self.ports if ask(port, "GET", "/readyz", timeout=1).status == 200]
            if self._stop.wait(self._period):
                return


class Line:
    """A TCP line to a server that can be cut (refuses), frozen (takes everything, gives nothing) and mended."""

    def __init__(self, host: str, port: int) -> None:
        self.target, self.port = (host, port), free_port()
        self._listener: socket.socket | None = None
        self._pairs: list[tuple[socket.socket, socket.socket | None]] = []
        self.accepted = 0  # connections so far
        self._frozen = False
        self.mend()

    def through(self, database_url: str) -> str:
        return make_url(database_url).set(host=HOST, port=self.port).render_as_string(hide_password=False)

    def mend(self) -> None:
        """New connections work; the ones that were frozen are gone."""
        self._close_connections()
        self._frozen = False
        if self._listener is None:
            self._listener = socket.create_server((HOST, self.port), backlog=200)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._close_connections()

    close = cut

    def freeze(self) -> None:
        self._frozen = True

    def connections(self) -> int:
        return len(self._pairs)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._frozen:
                self._pairs.append((client, None))
                continue
            try:
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            pair = (client, server)
            self._pairs.append(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._pump, args=(source, sink, pair), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        try:
            while chunk := source.recv(65536):
                if not self._frozen:  # what is lost in a black hole stays lost
                    sink.sendall(chunk)
        except OSError:
            pass
        if not self._frozen:
            self._close_pair(pair)

    def _close_connections(self) -> None:
        for pair in list(self._pairs):
            self._close_pair(pair)

    def _close_pair(self, pair: tuple[socket.socket, socket.socket | None]) -> None:
        if pair in self._pairs:
            self._pairs.remove(pair)
        for end in pair:
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


def run_copy(folder: Path) -> tuple[str, ...]:
    """How to start the copy of the package in `folder` instead of the installed one, as isolated as ever."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); from app.__main__ import main; sys.exit(main())"
    return (sys.executable, "-I", "-c", code)


def audited(events: Iterable[str], report: Path) -> tuple[str, ...]:
    """How to start the service with an audit hook that appends each of the named events to a file."""
    report.write_text("watching\n")
    code = f"""
import os, sys
report = os.open({str(report)!r}, os.O_WRONLY | os.O_APPEND)
def note(event, arguments):
    if event in {tuple(events)!r}:
        os.write(report, (event + " " + repr(arguments) + "\\n").encode())
sys.addaudithook(note)
from app.__main__ import main
sys.exit(main())
"""
    return (sys.executable, "-I", "-c", code)
