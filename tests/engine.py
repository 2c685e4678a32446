"""A container engine for the tests that need one: the machine's own, or the one that DOCKER_HOST names."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest


def _answers() -> bool:
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "version"], capture_output=True, timeout=30).returncode == 0


ANSWERS = _answers()
needs_engine = pytest.mark.skipif(not ANSWERS, reason="no container engine answers; start one: .ci/run does")


def docker(*arguments: str, check: bool = True, timeout: float = 300, **variables: str) -> str:
    """Run docker and return what it printed on both streams; a failure fails the test with that output."""
    done = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, env=os.environ | variables,
    )  # fmt: skip
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}"
    return done.stdout


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


def get(port: int, path: str) -> Any:
    """What a path of the service on a port answers with."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def post_order(port: int) -> str:
    """The id of a new order."""
    body = json.dumps({"item": "a book", "quantity": 1}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/orders", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["id"])


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> float:
    """Wait for a condition; how long it took, in seconds."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun
