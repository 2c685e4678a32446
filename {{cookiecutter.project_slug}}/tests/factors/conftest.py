"""What the proofs share: processes that are started and, whatever happens, ended; and the figures they find."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import make_url

from tests.factors.tools import APP, HOST, Line, Process, free_port


class Start(Protocol):
    """Starts one process of the service; `Start` ends it when the test does."""

    def __call__(
        self,
        command: str,
        *arguments: str,
        program: tuple[str, ...] = APP,
        cwd: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        **settings: str | float | Path,
    ) -> Process: ...


Evidence = Callable[[str], None]
PROCESSES = pytest.StashKey[list[Process]]()


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start processes as an operator does: `python -I -m app …` somewhere else, with nothing but settings around it."""
    processes = request.node.stash.setdefault(PROCESSES, [])

    def start_process(
        command: str,
        *arguments: str,
        program: tuple[str, ...] = APP,
        cwd: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        **settings: str | float | Path,
    ) -> Process:
        places = {"HOST": HOST, "PORT": str(free_port())} if command == "web" else {}
        values = {name: str(value) for name, value in settings.items()}
        process = Process([*program, command, *arguments], places | values, cwd or tmp_path, stdin)
        processes.append(process)
        return process

    yield start_process
    for process in processes:
        process.destroy()


@pytest.fixture
def line(database: str) -> Iterator[Line]:
    """A line to the database that the test can cut, freeze and mend."""
    url = make_url(database)
    line = Line(str(url.host), url.port or 5432)
    yield line
    line.close()


@pytest.fixture
def evidence(record_property: Callable[[str, object], None]) -> Evidence:
    """Record in figures what a check has seen; `make factors` makes its table of it."""
    return lambda seen: record_property("evidence", seen)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """A failed check shows the last events of each process that it started."""
    report = yield
    if report.failed:
        for process in item.stash.get(PROCESSES, []):
            state = "running" if process.is_running() else f"exit {process.popen.returncode}"
            report.sections.append((f"{' '.join(process.arguments[3:])} ({state}), last events", process.last_words()))
    return report
