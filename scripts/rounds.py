"""`make rounds`: in a render, repeat whatever involves a signal, an outage or a race. Argument: how often."""

import subprocess
import sys

from rendering import render


def main() -> int:
    service = render("rounds")
    subprocess.run(["make", "--no-print-directory", "install"], cwd=service, check=True)
    command = [".venv/bin/python", "-m", "pytest", "-n", "2", "-m", "race", "--rounds", sys.argv[1], "tests"]
    return subprocess.run(command, cwd=service).returncode


sys.exit(main())
