"""A container engine for the tests that need one: the machine's own, or the one that DOCKER_HOST names."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest


def _answers() -> bool:
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "version"], capture_output=True, timeout=30).returncode == 0


needs_engine = pytest.mark.skipif(not _answers(), reason="no container engine answers; start one: .ci/run does")


def docker(*arguments: str, check: bool = True, timeout: float = 300, **variables: str) -> str:
    """Run docker and return what it printed on both streams; a failure fails the test with that output."""
    done = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, env=os.environ | variables,
    )  # fmt: skip
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}"
    return done.stdout


@contextmanager
def container(image: str, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """A container on the host's network, removed afterwards, whatever happened; gives its id."""
    name = docker("run", "--detach", "--network=host", *options, image, *command).strip().splitlines()[-1]
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status_of(url: str) -> int:
    """The HTTP status that a URL answers with; 0 while nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> float:
    """Wait for a condition; how long it took, in seconds."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun
