"""All measurements, on one PostgreSQL, and the report about them. Runs in the render's interpreter."""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from dev.postgres import Postgres, throw_away_postgres

from bench import report
from bench.comparison import compare
from bench.overload import overload
from bench.queue_cost import jobs, queue_growth
from bench.steadiness import memory_growth, row_growth, two_processes

DOCS = Path(__file__).resolve().parent.parent / "docs"


class Plan:
    """How much to measure."""

    def __init__(self, is_quick: bool, rounds: int | None, seconds: int | None) -> None:
        self.rounds = rounds or (2 if is_quick else 5)
        self.seconds = seconds or (2 if is_quick else 4)
        self.orders = 1000
        self.many_orders = 100_000 if is_quick else 1_000_000
        self.many_jobs = 10_000 if is_quick else 100_000
        self.many_requests = 10_000 if is_quick else 100_000


Section = Callable[[Postgres, Plan, Path], dict[str, Any]]
SECTIONS: dict[str, Section] = {
    "comparison": compare,
    "rows": row_growth,
    "memory": memory_growth,
    "processes": two_processes,
    "queue": queue_growth,
    "jobs": jobs,
    "overload": overload,
}


def machine() -> dict[str, Any]:
    """What this was measured on."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), cpu)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load_average_before": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer: to see that the bench works")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of load, per kind of request and round")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--no-docs", action="store_true", help="print, and leave docs/ as it is")
    options = parser.parse_args()
    plan = Plan(options.quick, options.rounds, options.seconds)
    results: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "rounds": plan.rounds}
    results["bake_seconds"] = json.loads(os.environ.get("BENCH_BAKE_SECONDS", "{}"))
    with tempfile.TemporaryDirectory() as folder, throw_away_postgres() as server:
        for name in options.only:
            print(f"Measuring: {name} ...", flush=True)
            results[name] = SECTIONS[name](server, plan, Path(folder))
    report.print_report(results)
    if not options.no_docs:
        report.write_docs(with_earlier(results), DOCS)


def with_earlier(results: dict[str, Any]) -> dict[str, Any]:
    """These results, and of the docs' the sections that were not measured now, if they are this machine's."""
    earlier: dict[str, Any] = json.loads((DOCS / "benchmarks.json").read_text())
    if any(earlier["machine"][what] != results["machine"][what] for what in ("cpu", "cores", "system", "python")):
        return results
    return earlier | results


if __name__ == "__main__":
    main()
