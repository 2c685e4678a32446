"""`make demo` as a user runs it: its story, its end at a terminal, and nothing left running however it ends."""

import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import TEMPLATE, environment

STORY = [
    "GET /readyz",
    '200 {"status":"ready"}',
    'POST /orders {"item": "teapot", "quantity": 2}',
    '"status":"placed"',
    '"status":"fulfilled"',
    "GET /orders?limit=2",
    "422 ",
    "quantity",
    "6. SIGTERM",
    "503 ",
    "exit web: 0",
    "exit worker: 0",
]


@pytest.fixture(scope="module")
def clone(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template with its tools installed; what one demo installs, the next finds."""
    folder = tmp_path_factory.mktemp("demo") / "clone"
    shutil.copytree(template, folder)
    (folder / ".venv").symlink_to(TEMPLATE / ".venv")
    return folder


def descendants(pid: int) -> set[int]:
    """The processes that `pid` has started, and those that they have started."""
    listed = subprocess.run(["ps", "-Ao", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, todo = set(), [pid]
    while todo:
        born = children.get(todo.pop(), [])
        found.update(born)
        todo += born
    return found


def is_running(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return state.strip() != "" and not state.startswith("Z")


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def read_until(terminal: int, wanted: str, seconds: float = 120) -> str:
    """What is written to the terminal until `wanted` is, or until it closes."""
    said, deadline = "", time.monotonic() + seconds
    while wanted not in said and time.monotonic() < deadline:
        try:
            said += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # Linux: nobody has it open any more
            break
    return said


def test_without_a_terminal_the_demo_tells_its_story_and_ends(clone: Path) -> None:
    done = subprocess.run(
        ["make", "demo"], cwd=clone, env=environment(), capture_output=True, text=True, timeout=300,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    position = 0
    for part in STORY:
        position = done.stdout.find(part, position)
        assert position >= 0, f"{part!r} is not told in its turn:\n{done.stdout}"
    assert '"event": "draining"' in done.stdout  # the processes' own events come when they come


def test_at_a_terminal_it_stays_until_ctrl_c_and_names_its_docs(clone: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(clone)
        os.execvpe("make", ["make", "demo"], environment(TERM="xterm"))
    said = read_until(terminal, "/docs")
    started = descendants(pid)

    os.write(terminal, b"\x03")
    said += read_until(terminal, "Now make it yours", 30)
    os.waitpid(pid, 0)

    assert "/docs" in said
    assert "exit web: 0" in said.replace("\x1b[36m", "").replace("\x1b[0m", ""), said
    assert len(started) > 5
    assert wait_until(lambda: not any(map(is_running, started)), 15)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_make_is_killed(clone: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        ["make", "demo"], cwd=clone, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as make:
        assert make.stdout is not None
        for line in make.stdout:
            if "app worker" in line:
                break
        started = descendants(make.pid)
        make.send_signal(number)
        make.wait(30)

        assert len(started) > 5
        assert wait_until(lambda: not any(map(is_running, started)), 15)
