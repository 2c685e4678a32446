"""Runs mutants: each is applied to a render, and the check that is named after its factor must fail."""

import contextlib
import queue
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ..conftest import TEMPLATE, TOOLS, environment
from .mutant import Mutant, OldTextNotFound

LIMIT_SECONDS = {"check": 300, "module": 1200, "suite": 3600}  # for one mutant; a check that never ends has not failed
FAILED = 1  # pytest's exit code for tests that ran and failed; anything else is a fault of the mutant
POSTGRES = """
import sys
from dev.postgres import throw_away_postgres
with throw_away_postgres() as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Result:
    """How a mutant ended; `why` is empty when the named check, and nothing else that was run, has failed."""

    mutant: Mutant
    why: str
    seconds: float
    also_failed: tuple[str, ...] = ()


def run_mutants(mutants: list[Mutant], lanes: int, against: str) -> Iterator[Result]:
    """Yield the results as they come. Each lane is a render of its own, installed; all share one PostgreSQL.

    What runs `against` each is the named "check", the "module" of its factor, or the "suite".
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        services = [_render(Path(folder) / f"lane-{number}") for number in range(lanes)]
        free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for service in services:
            free.put(service)
        with _postgres(services[0]) as url, ThreadPoolExecutor(lanes) as pool:
            stopping = threading.Event()

            def run(mutant: Mutant) -> Result:
                if stopping.is_set():
                    return Result(mutant, "not run", 0.0)
                service = free.get()
                try:
                    return _run_one(mutant, service, url, against)
                finally:
                    free.put(service)

            try:
                for done in as_completed([pool.submit(run, mutant) for mutant in mutants]):
                    yield done.result()
            finally:
                stopping.set()


def _render(folder: Path) -> Path:
    """An installed render, with nothing answered."""
    command: list[str | Path] = [TOOLS / "cookiecutter", "--no-input", "--output-dir", folder, TEMPLATE]
    for step, place in ((command, TEMPLATE), (["make", "install"], folder / "order-service")):
        done = subprocess.run(step, cwd=place, env=environment(UV_COMPILE_BYTECODE="1"), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
    return folder / "order-service"


@contextlib.contextmanager
def _postgres(service: Path) -> Iterator[str]:
    """A server for all lanes, from the render's own wheel: to make one for each check would take twice the time."""
    command: list[str | Path] = [service / ".venv/bin/python", "-c", POSTGRES]
    with subprocess.Popen(
        command, cwd=service, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


def _run_one(mutant: Mutant, service: Path, url: str, against: str) -> Result:
    started = time.monotonic()
    module = mutant.module(service)
    selection = {"check": [f"{module}::{mutant.check}", "-x"], "module": [module], "suite": ["tests/factors"]}[against]
    try:
        with mutant.applied(service):
            status, failed, skipped = _outcome(service, url, selection, LIMIT_SECONDS[against])
    except OldTextNotFound as error:
        return Result(mutant, f"does not fit the code any more: {error}", 0.0)
    except subprocess.TimeoutExpired:
        return Result(mutant, f"no result within {LIMIT_SECONDS[against]} s", time.monotonic() - started)
    also = tuple(sorted(failed - {mutant.check}))
    if mutant.check in failed:
        why = ""
    elif mutant.check in skipped:
        why = "skipped: no container engine"
    else:
        why = "survived" if status in {0, FAILED} else f"pytest's exit code was {status}"
    return Result(mutant, why, time.monotonic() - started, also)


def _outcome(service: Path, url: str, selection: list[str], limit_seconds: int) -> tuple[int, set[str], set[str]]:
    """pytest's exit code and the names of the tests that failed and were skipped, without their parameters."""
    pytest = ["-m", "pytest", "-v", "--tb=no", "-p", "no:cacheprovider"]
    command: list[str | Path] = [service / ".venv/bin/python", *pytest, *selection]
    done = subprocess.run(
        command,
        cwd=service,
        env=environment(TEST_DATABASE_URL=url),
        capture_output=True,
        text=True,
        timeout=limit_seconds,
    )
    failed, skipped = (
        set(re.findall(rf"^\S+::(\w+)(?:\[.*\])? {outcome}\b", done.stdout, re.M)) for outcome in ("FAILED", "SKIPPED")
    )
    return done.returncode, failed if done.returncode == FAILED else set(), skipped
