"""The service's image, run as production runs it: read-only, without privileges, as PID 1.

A container engine is a tool like git, no backing service: where none answers, the checks of the image are skipped, and
say how to start one. `docker run` passes signals, output and exit code through, so that it is a process like any other.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOCKED_DOWN = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def docker(*arguments: str, stdin: str = "", timeout: float = 600) -> str:
    """What docker prints; a failure fails the test with it."""
    command = ["docker", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def inspect(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", name))[0]
    return found


def skip_without_engine() -> None:
    """Skip the test when no engine answers, or one that does not share this machine's network with its containers."""
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("no container engine answers; start one: sudo systemctl start docker")
    engine = json.loads(docker("info", "--format=json"))
    if sys.platform != "linux" or engine["OperatingSystem"] == "Docker Desktop" or "name=rootless" in str(engine):
        pytest.skip("the engine has a network of its own: it must run on Linux itself, as root")


@contextmanager
def built_image(folder: Path, dockerfile: str = "") -> Iterator[str]:
    """The name of the image that a folder builds, or a few lines for `docker build`; forgotten afterwards."""
    name = f"image-under-test:{secrets.token_hex(6)}"
    options = ["--quiet", "--network=host", f"--build-arg=COMMIT={COMMIT}", f"--tag={name}"]
    docker("build", *options, *(["--file=-"] if dockerfile else []), str(folder), stdin=dockerfile)
    try:
        yield name
    finally:
        docker("rmi", name)


@contextmanager
def labelled_containers() -> Iterator[str]:
    """A label for containers; they are removed afterwards, whatever happened to the client that started them."""
    label = f"started-by=test-{secrets.token_hex(6)}"
    try:
        yield label
    finally:
        if left := containers(label):
            docker("rm", "--force", "--volumes", *left)


def containers(label: str) -> list[str]:
    """The ids of the containers with a label, whether running or not."""
    return docker("ps", "--all", "--quiet", "--no-trunc", f"--filter=label={label}").split()


def client() -> tuple[str, ...]:
    """Docker's client with all that it needs to know; the processes of a test find nothing in their environment."""
    engine = json.loads(docker("context", "inspect"))[0]["Endpoints"]["docker"]["Host"]
    config = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
    return (shutil.which("docker") or "docker", "--config", config, "--host", engine)


def run_image(image: str, label: str) -> tuple[str, ...]:
    """How to start the image, on this machine's own network, where the tests' database is."""
    return (*client(), "run", "--rm", "--interactive", f"--label={label}", "--network=host", *LOCKED_DOWN, image)
