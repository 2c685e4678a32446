"""What the proofs share: processes that are started and, whatever happens, ended; and the figures they find."""

import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from dev.postgres import free_port
from tests.conftest import ROOT
from tests.factors.attached import AttachedService
from tests.factors.image import built_image, labelled_containers, run_image, skip_without_engine
from tests.factors.tools import APP, HOST, Line, Process

Evidence = Callable[[str], None]
Environment = dict[str, str | float | Path]
PROCESSES = pytest.StashKey[list[Process]]()


@dataclass(frozen=True)
class Start:
    """Starts processes as an operator does: `python -I -m app …`, somewhere else, with only its settings around it."""

    started: list[Process]
    cwd: Path
    program: tuple[str, ...] = APP
    patience: float = 30  # seconds until it is ready, on a machine that is busy with other proofs
    stdin: int = subprocess.DEVNULL

    def __call__(self, command: str, *arguments: str, **settings: str | float | Path) -> Process:
        places = {"HOST": HOST, "PORT": str(free_port())} if command == "web" else {}
        values = {name: str(value) for name, value in settings.items()}
        program = self._program(places | values)
        process = Process([*program, command, *arguments], places | values, self.cwd, self.stdin)
        self.started.append(process)
        return process

    def ready(self, command: str = "web", **settings: str | float | Path) -> Process:
        process = self(command, **settings)
        process.wait_until_ready(self.patience)
        return process

    def _program(self, settings: Iterable[str]) -> tuple[str, ...]:
        return self.program

    def using(self, **other: Any) -> "Start":
        """The same with another working directory, program or stdin."""
        return replace(self, **other)


@dataclass(frozen=True)
class StartContainer(Start):
    """The same with an image, the program's last word: its settings are the client's, which passes them on by name."""

    def _program(self, settings: Iterable[str]) -> tuple[str, ...]:
        *run, image = self.program
        return (*run, *(f"--env={name}" for name in settings), image)


@pytest.fixture(scope="session", autouse=True)
def heard_ctrl_c() -> None:
    """Where the tests themselves run in the background, SIGINT is ignored, and what they start would inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts processes, and ends them with the test."""
    processes = request.node.stash.setdefault(PROCESSES, [])
    yield Start(processes, tmp_path)
    for process in processes:
        process.destroy()


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The image of this code, built without a setting and without a service."""
    skip_without_engine()
    with built_image(ROOT) as name:
        yield name


@pytest.fixture
def label(image: str) -> Iterator[str]:
    """A label for the test's containers, which are removed with it."""
    with labelled_containers() as label:
        yield label


@pytest.fixture
def contained(start: Start, image: str, label: str) -> StartContainer:
    """Starts the image instead of what is installed here; everything else is the same."""
    return StartContainer(start.started, start.cwd, run_image(image, label), patience=60)


def line_to(database_url: str) -> Line:
    """The same for a database of the test's own, which then closes it."""
    url = make_url(database_url)
    return Line(str(url.host), url.port or 5432)


@pytest.fixture
def line(database: str) -> Iterator[Line]:
    """A line to the database that the test can cut, freeze and mend."""
    line = line_to(database)
    yield line
    line.close()


@pytest.fixture
def attached() -> Iterator[AttachedService]:
    """A service that the worker asks, whose answers the test chooses."""
    with AttachedService() as service:
        yield service


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Evidence:
    """Record in figures what a check has seen; `make factors` makes its table of it."""
    return lambda seen: request.node.user_properties.append(("evidence", seen))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """A failed check shows the last events of each process that it started."""
    report = yield
    if report.failed:
        for process in item.stash.get(PROCESSES, []):
            state = "running" if process.is_running() else f"exit {process.popen.returncode}"
            report.sections.append((f"{' '.join(process.arguments[3:])} ({state}), last events", process.last_words()))
    return report
