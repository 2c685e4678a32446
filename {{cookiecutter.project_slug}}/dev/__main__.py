"""Run a command beside this project's database.

    python -m dev [--env FILE] [--while PID] COMMAND ...

DATABASE_URL is set for it. One that is already there, or in FILE, wins; otherwise the project's own PostgreSQL
starts, with its data in `.postgres/`, and ends with COMMAND. Nothing outlives its parent, not even after kill -9.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from honcho import environ

from dev.postgres import running_postgres
from dev.programs import die_with_parent, is_alive


def run(command: list[str], while_pid: int | None) -> int:
    """Run `command` until it ends, or until we are told to stop or `while_pid` is gone; return its exit status."""
    process = subprocess.Popen(command, preexec_fn=die_with_parent(signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the command as well: it decides
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while process.poll() is None:
        if while_pid and not is_alive(while_pid):
            process.terminate()
            while_pid = None
        time.sleep(0.1)
    return process.returncode


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dev", description=__doc__)
    parser.add_argument("--env", type=Path, help="file of variables, read as the process manager reads it")
    parser.add_argument("--while", type=int, dest="while_pid", metavar="PID", help="end when that process does")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.env and options.env.exists():
        os.environ.update(environ.parse(options.env.read_text()))
    with contextlib.ExitStack() as stack:
        if not os.environ.get("DATABASE_URL"):
            os.environ["DATABASE_URL"] = stack.enter_context(running_postgres(Path.cwd()))
        sys.exit(run(options.command, options.while_pid))


if __name__ == "__main__":
    main()
