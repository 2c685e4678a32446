"""`make bench`: render a service, install it, and run it beside its comparators.

    python -m bench [--quick] [--rounds N] [--seconds N] [--only SECTION ...] [--no-docs]

The measuring is done by `bench.measure`, in the interpreter of the render: it has the comparators' dependencies, in
the versions that the render runs on, and its PostgreSQL.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.load import require_wrk

TEMPLATE = Path(__file__).resolve().parent.parent
RENDER = TEMPLATE / "build" / "bench" / "order-service"
COOKIECUTTER = [sys.executable, "-m", "cookiecutter", "--no-input", "--overwrite-if-exists"]


def bake_seconds(*options: str) -> float:
    """How long a render takes, outside of any repository; the median of three."""
    times = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            subprocess.run([*COOKIECUTTER, *options, "-o", folder, TEMPLATE], check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    require_wrk()
    print("Rendering and installing the service ...", flush=True)
    bake = {"render": bake_seconds("--accept-hooks", "no"), "render with lock and commit": bake_seconds()}
    render = [*COOKIECUTTER, "--accept-hooks", "no", "-o", RENDER.parent, TEMPLATE]
    subprocess.run(render, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["uv", "sync", "--quiet"], cwd=RENDER, check=True)
    # Compiled once, as in the image; how long a first start takes to compile says nothing about the ones that follow.
    python = RENDER / ".venv/bin/python"
    subprocess.run([python, "-m", "compileall", "-q", RENDER / "src", RENDER / ".venv/lib", TEMPLATE / "bench"])
    environment = os.environ | {"PYTHONPATH": f"{TEMPLATE}:{RENDER}", "BENCH_BAKE_SECONDS": json.dumps(bake)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    os.chdir(RENDER)
    os.execve(python, [str(python), "-m", "bench.measure", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
