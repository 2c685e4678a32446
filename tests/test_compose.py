"""The whole formation on one machine, from a fresh render, by a real engine: up, scaled, killed, and nothing lost."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from . import engine
from .conftest import TOOLS, Render, environment

pytestmark = engine.needs_engine

Compose = Callable[..., str]
ORDERS = 30
SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
ATTACHED = """
DATABASE_URL=postgresql://app:local-only@database:5432/app
FULFILMENT_URL=http://fulfilment:8000
"""
LIST_ORDERS = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/orders').read().decode())"


@pytest.fixture
def port() -> int:
    """The first of two free neighbours: each `web` takes one."""
    while True:
        first = engine.free_port()
        if engine.status_of(f"http://127.0.0.1:{first + 1}/") == 0:
            return first


@pytest.fixture
def compose(template: object, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Compose]:
    """`docker compose` on a fresh render, as a project of its own that is removed afterwards."""
    folder = tmp_path_factory.mktemp("compose")
    command = [str(TOOLS / "cookiecutter"), "--no-input", "--accept-hooks", "no", "--output-dir", str(folder)]
    subprocess.run([*command, str(template)], check=True, env=environment(), capture_output=True)
    render = Render(folder / "order-service", 0, "")
    assert render.run("uv", "lock", "--quiet").returncode == 0
    project = f"test-{secrets.token_hex(4)}"
    where = ("compose", "--project-name", project, "--file", str(render.folder / "compose.yaml"))

    def run(*arguments: str, check: bool = True, **variables: str) -> str:
        settings = {"PORT": f"{port}-{port + 1}", "IMAGE": f"order-service:{project}", "DOCKER_SOCKET": SOCKET}
        return engine.docker(*where, *arguments, check=check, timeout=600, **(settings | variables))

    yield run
    run("--profile=*", "down", "--volumes", "--timeout=1", check=False)
    engine.docker("rmi", "--force", f"order-service:{project}", check=False)


def test_the_formation_scales_and_loses_nothing_when_it_is_killed(compose: Compose, port: int) -> None:
    """FACTORS VIII and IX.7: two webs and three workers die together; every acknowledged order gets fulfilled."""
    both = [port, port + 1]

    def ready() -> bool:
        return all(engine.status_of(f"http://127.0.0.1:{one}/readyz") == 200 for one in both)

    compose("up", "--detach", "--build", "--scale", "web=2", "--scale", "worker=3")
    engine.wait_until(ready)
    placed = [engine.post_order(both[n % 2]) for n in range(ORDERS)]
    compose("kill", "web", "worker")
    gone = not any(engine.status_of(f"http://127.0.0.1:{one}/livez") for one in both)
    compose("start", "web", "worker")
    engine.wait_until(ready)
    served = [int(compose("port", "--index", index, "web", "8000").strip().rpartition(":")[2]) for index in "12"]

    def fulfilled() -> bool:
        return all(engine.get(served[0], f"/orders/{order}")["status"] == "fulfilled" for order in placed)

    engine.wait_until(fulfilled, 60)
    compose("stop", "web", "worker")
    ended = [json.loads(line) for line in compose("ps", "--all", "--format=json", "web", "worker").splitlines()]

    assert gone
    assert sorted(served) == both
    assert [process["ExitCode"] for process in ended] == [0] * 5


def test_a_second_service_and_consumers_of_the_stream_can_be_added(compose: Compose, port: int, tmp_path: Path) -> None:
    """FACTORS VII.4 and XI.7: attached by its URL alone; a reader and a counter come and are killed meanwhile."""
    (tmp_path / "attached.env").write_text(ATTACHED)
    attached = partial(compose, CONFIG=str(tmp_path / "attached.env"), PORT=str(port))

    def counted() -> int:
        last = attached("logs", "--no-log-prefix", "--tail=1", "counter")
        return int(json.loads(last or "{}").get("web: request", 0))

    def states() -> set[str]:
        return {str(order["status"]) for order in engine.get(port, "/orders")["items"]}

    attached("up", "--detach", "--build", "--wait", "web")
    plain = set(attached("ps", "--all", "--services").split())
    attached("up", "--detach", "worker")
    engine.post_order(port)
    alone = states()
    attached("--profile=fulfilment", "--profile=consumers", "up", "--detach", "--build")
    for killed in ("reader", "counter"):
        engine.wait_until(lambda: engine.status_of(f"http://127.0.0.1:{port}/readyz") == 200)
        before = counted()
        for _ in range(ORDERS // 2):
            engine.post_order(port)
        engine.wait_until(partial(lambda before: counted() >= before + ORDERS // 2, before))
        attached("kill", killed)
    engine.post_order(port)
    engine.wait_until(lambda: states() == {"fulfilled"})
    asked = json.loads(attached("exec", "--no-TTY", "fulfilment", "python", "-I", "-c", LIST_ORDERS))

    assert plain == {"database", "migrate", "web"}
    assert alone == {"placed"}
    assert len(asked["items"]) == 1 + ORDERS + 1
    assert "request method=POST route=/orders" in attached("logs", "reader")
