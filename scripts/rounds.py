"""`make rounds`: in a render, repeat whatever involves a signal, an outage or a race.

Arguments: how often, and the minutes that it may take; a round that would not fit any more is not begun.
The kills of a worker at five points come twice in each round: their promise, that no job is lost, is about 20.
"""

import subprocess
import sys
import time

from scripts.rendering import render

KILLS = "tests/factors/test_09_disposability.py::test_jobs_of_a_killed_worker_run_again_wherever_it_was_killed"


def main() -> int:
    rounds, seconds = int(sys.argv[1]), float(sys.argv[2]) * 60
    service = render("rounds")
    subprocess.run(["make", "--no-print-directory", "install"], cwd=service, check=True)
    pytest = [".venv/bin/python", "-m", "pytest", "-q", "-n", "4", "--maxschedchunk=1", "-m", "race"]
    command = [*pytest, "--keep-duplicates", "tests", KILLS]
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
