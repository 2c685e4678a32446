"""`make rounds`: in a render, repeat whatever involves a signal, an outage or a race.

Arguments: how often, and the minutes that it may take; a round that would not fit any more is not begun.
"""

import subprocess
import sys
import time

from scripts.rendering import render


def main() -> int:
    rounds, seconds = int(sys.argv[1]), float(sys.argv[2]) * 60
    service = render("rounds")
    subprocess.run(["make", "--no-print-directory", "install"], cwd=service, check=True)
    command = [".venv/bin/python", "-m", "pytest", "-q", "-n", "4", "--maxschedchunk=1", "-m", "race", "tests"]
    begin, longest = time.monotonic(), 0.0
    for number in range(1, rounds + 1):
        before = time.monotonic()
        if number > 1 and before - begin + longest > seconds:
            print(f"{number - 1} of {rounds} rounds: the next would not fit into {seconds / 60:g} minutes")
            break
        print(f"Round {number} of {rounds}", flush=True)
        status = subprocess.run(command, cwd=service).returncode
        if status:
            return status
        longest = max(longest, time.monotonic() - before)
    return 0


sys.exit(main())
