"""`make demo`: render a service, install it, and play a scenario on it. Argument: the process whose end ends us."""

import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent.parent
BUILD = TEMPLATE / "build"
SERVICE = BUILD / "order-service"


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def end_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, preexec_fn=end_with_parent)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}")


def end_when_gone(pid: int) -> None:
    """Make may be killed with a signal that nobody can catch; then nothing of ours goes on."""
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(0.2)


def main() -> None:
    parent = int(sys.argv[1])
    threading.Thread(target=end_when_gone, args=(parent,), daemon=True).start()
    say("1. Render a service: cookiecutter asks a few questions; here with the default answers")
    cookiecutter = [sys.executable, "-m", "cookiecutter", "--no-input", "--overwrite-if-exists"]
    run(*cookiecutter, "--output-dir", BUILD, TEMPLATE, cwd=TEMPLATE)
    print(f"   {SERVICE}")
    say("2. Install its dependencies, PostgreSQL among them (the first time this takes a while)")
    run("make", "--no-print-directory", "install", cwd=SERVICE)
    scenario = Path(__file__).with_name("scenario.py")
    python = SERVICE / ".venv/bin/python"
    run(python, "-m", "dev", "--while", str(parent), python, scenario, cwd=SERVICE)


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
