"""The whole formation on one machine, from a fresh render, by a real engine: up, scaled, killed, and nothing lost."""

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator

import pytest

from . import engine
from .conftest import TOOLS, Render, environment

pytestmark = engine.needs_engine

Compose = Callable[..., str]
ORDERS = 30


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

    def run(*arguments: str, check: bool = True) -> str:
        settings = {"PORT": f"{port}-{port + 1}", "IMAGE": f"order-service:{project}"}
        return engine.docker(*where, *arguments, check=check, timeout=600, **settings)

    yield run
    run("down", "--volumes", "--timeout=1", check=False)
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
