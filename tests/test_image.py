"""The image that a render builds, run by a real engine as production would: read-only, unprivileged, as PID 1."""

import json
import secrets
import socket
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from . import engine
from .conftest import TOOLS, Render, environment

pytestmark = engine.needs_engine

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOCKED_DOWN = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
ADDED_BYTES = 120 * 1024 * 1024


@pytest.fixture(scope="module")
def image(template: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of a fresh render, built without its .git, without a setting and without a service."""
    folder = tmp_path_factory.mktemp("image")
    command = [str(TOOLS / "cookiecutter"), "--no-input", "--accept-hooks", "no", "--output-dir", str(folder)]
    subprocess.run([*command, str(template)], check=True, env=environment(), capture_output=True)
    render = Render(folder / "order-service", 0, "")
    assert render.run("uv", "lock", "--quiet").returncode == 0
    name = f"order-service:test-{secrets.token_hex(4)}"
    options = ("--network=host", f"--build-arg=COMMIT={COMMIT}", f"--tag={name}")
    engine.docker("build", *options, str(render.folder), timeout=600)
    yield name
    engine.docker("rmi", "--force", name, check=False)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty PostgreSQL 18 in a container."""
    port, password = engine.free_port(), secrets.token_hex(8)
    with engine.container(
        "postgres:18", "postgres", "-p", str(port), options=("-e", f"POSTGRES_PASSWORD={password}")
    ) as name:
        ready = ("exec", name, "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={port}")
        engine.wait_until(lambda: engine.docker(*ready, "--username=postgres", check=False) == "" and _listens(port))
        yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def migrated(image: str, database: str) -> str:
    run_once(image, "migrate", database)
    return database


def run_once(image: str, command: str, database: str) -> str:
    return engine.docker(
        "run", "--rm", "--network=host", *LOCKED_DOWN, "--tmpfs=/tmp", "-e", f"DATABASE_URL={database}", image, command
    )


def post_order(port: int) -> dict[str, object]:
    body = json.dumps({"item": "a book", "quantity": 1}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/orders", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        order: dict[str, object] = json.load(answer)
    return order


def get(port: int, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def test_the_image_knows_its_commit_and_no_setting(image: str) -> None:
    """FACTORS V.1: the build is told nothing but the commit."""
    config = json.loads(engine.docker("image", "inspect", image))[0]["Config"]
    history = engine.docker("history", "--no-trunc", "--format={{.CreatedBy}}", image)
    told = json.dumps([config["Env"], config["Labels"]]) + history.replace("os.environ.get('PORT', '8000')", "")

    assert config["Entrypoint"] == ["python", "-I", "-m", "app"]
    assert config["Cmd"] == ["web"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.revision"] == COMMIT
    for setting in ("DATABASE_", "RELEASE", "_SECONDS", "LOG_LEVEL", "FULFILMENT_URL", "PORT="):
        assert setting not in told


def test_the_image_holds_the_service_and_no_tool_of_its_making(image: str) -> None:
    """FACTORS II.4 and V.1: no compiler, downloader, cache or development tool; no tests, no .git, no .env."""
    look = """
import importlib.util, os, pathlib, shutil
bad = [n for n in ("gcc", "cc", "make", "curl", "wget", "uv", "git", "pytest", "ruff", "mypy") if shutil.which(n)]
bad += [n for n in ("pytest", "mypy", "ruff", "honcho", "tests", "dev") if importlib.util.find_spec(n)]
bad += [p for p in ("/root/.cache/uv", "/build", "/app/.git", "/app/.env", "/app/tests") if os.path.exists(p)]
bad += [str(p) for p in pathlib.Path("/app").rglob("*") if p.stat().st_uid == os.getuid() or os.access(p, os.W_OK)]
package = pathlib.Path(importlib.util.find_spec("app").origin).parent
bad += ["no bytecode"] * (not list(package.glob("__pycache__/settings.*.pyc")))
print(os.getuid(), bad)
"""
    said = engine.docker("run", "--rm", "--network=host", "--entrypoint=python", image, "-I", "-c", look)

    assert said.strip() == "10001 []"


def test_the_image_adds_little_to_its_base(image: str) -> None:
    size = json.loads(engine.docker("image", "inspect", image))[0]["Size"]
    base = json.loads(engine.docker("image", "inspect", "python:3.14-slim"))[0]["Size"]

    assert size - base <= ADDED_BYTES


def test_it_serves_read_only_and_unprivileged_and_ends_as_pid_1_with_exit_0(image: str, migrated: str) -> None:
    """FACTORS V.4, VI.5, VII.1, IX.2: nothing but a port and a database is needed, and SIGTERM is obeyed."""
    port = engine.free_port()
    settings = {"DATABASE_URL": migrated, "PORT": str(port), "RELEASE": "r1", "DRAIN_SECONDS": "0.5"}
    options = [*LOCKED_DOWN, *(f"--env={name}={value}" for name, value in settings.items())]
    with engine.container(image, options=tuple(options)) as name:
        took = engine.wait_until(lambda: engine.status_of(f"http://127.0.0.1:{port}/readyz") == 200)
        order = post_order(port)
        version = get(port, "/version")
        listed = get(port, "/orders")
        changed = engine.docker("diff", name)
        engine.docker("stop", "--time=30", name)
        state = json.loads(engine.docker("inspect", name))[0]["State"]
        lines = engine.docker("logs", name).splitlines()

    assert took < 10, "2 s on an idle machine; the engine's own start is in it"
    assert (version["commit"], version["release"]) == (COMMIT, "r1")
    assert str(order["id"]) in json.dumps(listed)
    assert changed == "", "nothing is written"
    assert state["ExitCode"] == 0
    assert all(json.loads(line)["release"] == "r1" for line in lines)


def test_admin_processes_run_from_the_same_image(image: str, migrated: str) -> None:
    """FACTORS XII.1: the same artefact, interpreter and settings."""
    again = run_once(image, "migrate", migrated)
    config = run_once(image, "config", migrated)

    assert all(json.loads(line) for line in again.splitlines())
    assert "DATABASE_URL" in config.upper()
    assert migrated.split(":")[2].split("@")[0] not in config, "the password is masked"


def test_without_configuration_it_says_so_in_one_line(image: str) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--network=host", image], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 78
    assert "DATABASE_URL" in json.dumps(json.loads(done.stdout))


def test_consumers_of_the_stream_come_and_go(image: str, migrated: str) -> None:
    """FACTORS XI.7: two attach to the stream from outside, one only counts; the service runs on without them."""
    port = engine.free_port()
    options = (f"--env=DATABASE_URL={migrated}", f"--env=PORT={port}", "--env=DRAIN_SECONDS=0", *LOCKED_DOWN)
    with engine.container(image, options=options) as name:
        engine.wait_until(lambda: engine.status_of(f"http://127.0.0.1:{port}/readyz") == 200)
        follow = ["docker", "logs", "--follow", name]
        reader = subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        counter = subprocess.Popen([*follow, "--tail=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert reader.stdout and counter.stdout
        post_order(port)
        seen = next(line for line in reader.stdout if '"POST"' in line)
        reader.kill()
        reader.wait()
        post_order(port)
        counter.kill()
        counter.wait()
        alive = engine.status_of(f"http://127.0.0.1:{port}/readyz")

    assert json.loads(seen)["status"] == 201
    assert alive == 200
