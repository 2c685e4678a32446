"""Build, release, run, and back again, on one machine with a real engine."""

import json
import secrets
import socket
import subprocess
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import engine
from .conftest import TOOLS, environment
from .engine import get, post_order

pytestmark = engine.needs_engine

AS_SOMEBODY = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")


FAILS = '''"""Add a column, and fail."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN size text")
    op.execute("SELECT 1 / 0")
'''


@dataclass
class Machine:
    """A render under git, on a machine with an engine."""

    folder: Path
    project: str
    port: int

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        surroundings = {"COMPOSE_PROJECT_NAME": self.project, "PORT": str(self.port)}
        return subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=self.folder, env=environment(**(surroundings | variables)), capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    def succeeds(self, *arguments: str) -> str:
        done = self.make(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refuses(self, *arguments: str, **variables: str) -> str:
        """The one line that a refusal is; the ledger and what runs are as before."""
        before = self.ledger(), self.seen()
        done = self.make(*arguments, **variables)
        lines = [line for line in done.stderr.splitlines() if line and not line.startswith(("make: ", " Container"))]

        assert done.returncode != 0
        assert (self.ledger(), self.seen()) == before
        assert len(lines) == 1, done.stderr
        return lines[0]

    def git(self, *arguments: str) -> str:
        command = ["git", *AS_SOMEBODY, *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change")
        return self.git("rev-parse", "HEAD")

    def ledger(self) -> list[dict[str, Any]]:
        file = self.folder / "releases/ledger.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def seen(self) -> tuple[object, ...]:
        """What a client sees of the release that runs: its id, its commit, and how long a body it takes."""
        if engine.status_of(f"http://127.0.0.1:{self.port}/livez") != 200:
            return ("nothing",)
        version = get(self.port, "/version")
        try:
            post_order(self.port)
        except urllib.error.HTTPError as error:
            return version["release"], version["commit"], error.code
        return version["release"], version["commit"], 201


@pytest.fixture
def machine(template: object, tmp_path: Path) -> Iterator[Machine]:
    command = [str(TOOLS / "cookiecutter"), "--no-input", "--accept-hooks", "no", "--output-dir", str(tmp_path)]
    subprocess.run([*command, str(template)], check=True, env=environment(), capture_output=True)
    machine = Machine(tmp_path / "order-service", f"release-{secrets.token_hex(4)}", engine.free_port())
    subprocess.run([TOOLS / "uv", "lock", "--quiet"], cwd=machine.folder, check=True, env=environment())
    machine.git("init", "--quiet", "--initial-branch=main")
    yield machine
    compose = ("compose", "--project-name", machine.project, "--file", str(machine.folder / "compose.yaml"))
    engine.docker(*compose, "down", "--volumes", "--timeout=1", check=False)
    for commit in machine.git("rev-list", "--all").split():
        engine.docker("rmi", "--force", f"order-service:{commit}", check=False)


def test_a_release_a_second_and_back(machine: Machine) -> None:
    """FACTORS V: build and config make a release; a rollback restores both; what cannot run replaces nothing."""
    config = machine.folder / "deploy/compose.env"
    config.write_text(config.read_text() + "DRAIN_SECONDS=0\n")
    first = machine.commit()

    assert machine.refuses("rollback") == "There is no release yet, so none to go back to."
    assert machine.refuses("release") == f"There is no image of commit {first}: `make image` builds it."
    machine.succeeds("image", "BUILD_OPTIONS=--network=host")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        taken = machine.refuses("release", PORT=str(port))
    assert taken == f"Port {port} is taken by something else; set PORT to another one."
    machine.succeeds("release")
    assert machine.seen() == ("1", first, 201)
    assert machine.refuses("rollback") == "Release 1 is the first: there is none to go back to."

    config.write_text(config.read_text() + "REQUEST_MAX_BYTES=10\n")
    assert machine.refuses("release").startswith("The tree differs from its last commit")
    second = machine.commit()
    machine.succeeds("image", "BUILD_OPTIONS=--network=host")
    machine.succeeds("release")
    assert machine.seen() == ("2", second, 413)

    machine.succeeds("rollback")
    assert machine.seen() == ("3", first, 201), "code and config are those of release 1"
    assert machine.refuses("rollback") == "Release 1 is the first: there is none to go back to."
    assert machine.refuses("rollback", "RELEASE=7") == "There is no release 7; there is 1, 2."

    without_database = machine.folder.parent / "no.env"
    without_database.write_text("LOG_LEVEL=loud\n")
    refused = machine.refuses("release", f"CONFIG={without_database}")
    assert refused.startswith("The config is refused: ")
    assert "DATABASE_URL" in refused
    assert "LOG_LEVEL" in refused
    assert machine.refuses("release", "CONFIG=/nowhere").startswith("The config /nowhere cannot be read: ")
    assert machine.refuses("release", GIT_DIR="/nowhere").startswith("`git status` failed: ")
    assert machine.refuses("release", DOCKER_HOST="unix:///nowhere").startswith("`docker images` failed: ")

    (machine.folder / "src/app/migrations/versions/0003_next.py").write_text(FAILS)
    machine.commit()
    machine.succeeds("image", "BUILD_OPTIONS=--network=host")
    assert machine.refuses("release") == "`migrate` ended with exit code 1: nothing was replaced."
    assert machine.seen() == ("3", first, 201), "it goes on serving"

    ledger = machine.ledger()
    assert [(line["release"], line["commit"], line["restores"]) for line in ledger] == [
        (1, first, None), (2, second, None), (3, first, 1)
    ]  # fmt: skip
    assert ledger[0]["image"] == ledger[2]["image"] != ledger[1]["image"]
    assert ledger[0]["config"] == ledger[2]["config"] != ledger[1]["config"]
    assert sorted(file.name for file in (machine.folder / "releases").iterdir()) == [
        "1.env", "2.env", "3.env", "ledger.jsonl"
    ]  # fmt: skip
