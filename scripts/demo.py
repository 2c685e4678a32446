"""`make demo`: render a service, install it, and play a scenario on it. Argument: the process whose end ends us."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from scripts.rendering import render


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def end_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM


def run(*command: str | Path, cwd: Path) -> None:
    """Run to its end, also after Ctrl-C: that reaches the command as well, which then stops in good order."""
    process = subprocess.Popen(command, cwd=cwd, preexec_fn=end_with_parent)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    status = process.wait()
    if status:
        sys.exit(status if status > 0 else 128 - status)


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
    service = render()
    print(f"   {service}")
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the commands would inherit
    say("2. Install its dependencies, PostgreSQL among them (the first time this takes a while)")
    run("make", "--no-print-directory", "install", cwd=service)
    scenario = Path(__file__).with_name("scenario.py")
    python = service / ".venv/bin/python"
    run(python, "-m", "dev", "--while", str(parent), python, scenario, cwd=service)


main()
