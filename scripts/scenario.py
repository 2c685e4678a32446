"""Plays a scenario on the service in the working directory, beside its database, and prints all that is said."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))  # the service's folder: its development tools are used here
from dev.programs import die_with_parent  # type: ignore[import-not-found]  # noqa: E402

APP = [sys.executable, "-I", "-m", "app"]
TOLD = ("process", "event", "request_id", "outcome", "reason", "problems", "exception")
COLOURS = sys.stdout.isatty()


def paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOURS else text


def say(text: str) -> None:
    print("\n" + paint("1", text), flush=True)


def show(label: str, text: str, code: str = "36") -> None:
    print(f"   {paint(code, label)} {text}", flush=True)


def free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as listener:
            return int(listener.getsockname()[1])
    raise SystemExit("no free port on 127.0.0.1")


def one_off(command: str, **settings: str) -> None:
    show("$", " ".join([f"{name}={value}" for name, value in settings.items()] + ["app", command]))
    done = subprocess.run(
        [*APP, command],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    for line in (done.stdout + done.stderr).splitlines()[-1:]:
        show("event", line, "90")
    if done.returncode:
        sys.exit(f"`app {command}` ended with {done.returncode}")


@contextlib.contextmanager
def process(command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    show("$", f"app {command}")
    running = subprocess.Popen(
        [*APP, command],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for this script, which then stops them in good order
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    threading.Thread(target=show_events, args=(running,), daemon=True).start()
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()


def show_events(running: subprocess.Popen[str]) -> None:
    """Print the events that tell the story; the rest is in the stream for whoever reads it."""
    assert running.stdout is not None
    for line in running.stdout:
        event = json.loads(line)
        if event["logger"].startswith("app.") and event["event"] != "request":
            told = {key: event[key] for key in TOLD if key in event}
            show("event", json.dumps(told), "90")


def ask(base: str, method: str, path: str, body: Any = None, quiet: bool = False) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    if not quiet:
        show(f"{method} {path}", json.dumps(body) if body else "", "33")
        show(f"  {status}", content.decode()[:300], "32" if status < 400 else "31")
    return status, json.loads(content)


def wait_until(is_true: Any, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if is_true():
                return
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def play(base: str) -> None:
    say("5. Ask it")
    ask(base, "GET", "/readyz")
    ask(base, "GET", "/version")
    _, order = ask(base, "POST", "/orders", {"item": "teapot", "quantity": 2})
    ask(base, "GET", f"/orders/{order['id']}")
    wait_until(lambda: ask(base, "GET", f"/orders/{order['id']}", quiet=True)[1]["status"] == "fulfilled", "fulfilled")
    show("...", "the worker has fulfilled it:")
    ask(base, "GET", f"/orders/{order['id']}")
    ask(base, "GET", "/orders?limit=2")
    show("...", "what is wrong is refused, and the answer says why:")
    ask(base, "POST", "/orders", {"item": "teapot", "quantity": 0})


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    port = free_port(8000)
    base = f"http://127.0.0.1:{port}"
    say("3. Bring the schema up to date and seed it, as one-off processes")
    one_off("migrate")
    one_off("seed", SEED_CONFIRM="yes")  # of an earlier demo, there are other orders
    say("4. Start its processes; what they say is JSON, one event per line")
    settings = os.environ | {"HOST": "127.0.0.1", "PORT": str(port), "DRAIN_SECONDS": "1"}
    with process("web", settings) as web, process("worker", settings) as worker:
        wait_until(lambda: web.poll() is not None or ask(base, "GET", "/readyz", quiet=True)[0] == 200, "ready")
        if web.returncode is not None:
            sys.exit(f"web ended with {web.returncode}")
        play(base)
        if sys.stdout.isatty():
            say(f"It goes on until Ctrl-C. Its API, to try out: {base}/docs")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        say("6. SIGTERM: unready at once, then the port is closed, then a clean end")
        web.terminate()
        ask(base, "GET", "/readyz")
        worker.terminate()
        for name, running in (("web", web), ("worker", worker)):
            show("exit", f"{name}: {running.wait(30)}")
            if running.returncode:
                sys.exit(f"{name} ended with {running.returncode}")
    say("Now make it yours: cookiecutter PATH_OR_URL_OF_THIS_TEMPLATE, then `make dev` and `make test` in the result.")


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
