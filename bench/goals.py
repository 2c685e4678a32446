"""What the figures are held against: ratios within one run, since another machine has other figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

AT_LEAST = {  # requests per second: the rendered service's against the bare application's, and against raw ASGI
    ("livez", "bare"): 0.75,
    ("order", "bare"): 1.2,
    ("page", "bare"): 1.2,
    ("place", "bare"): 0.7,
    ("order", "raw"): 0.3,
    ("page", "raw"): 0.3,
}


@dataclass(frozen=True)
class Goal:
    """A figure and its limit. `is_floor`: it must not be lower; otherwise it must not be higher."""

    what: str
    value: float
    limit: float
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        return self.value >= self.limit if self.is_floor else self.value <= self.limit


def goals(results: dict[str, Any]) -> Iterator[Goal]:
    """All goals for which there are figures."""
    if seen := results.get("comparison"):
        for (scenario, other), limit in AT_LEAST.items():
            ratio = seen["rendered"][scenario][f"times_{other}"]
            yield Goal(f"{scenario}: requests/s, rendered / {other}", ratio, limit, True)
        start = seen["rendered"]["start"]["seconds"] / seen["bare"]["start"]["seconds"]
        yield Goal("start to first 200, rendered / bare", start, 1.5)
        yield Goal(
            "resident memory, rendered / bare", seen["rendered"]["memory"]["mb"] / seen["bare"]["memory"]["mb"], 1.25
        )
    if seen := results.get("rows"):
        few, many = seen
        yield Goal(f"page: CPU at {many} rows / at {few}", _cpu(seen[many]) / _cpu(seen[few]), 1.2)
    if seen := results.get("memory"):
        yield Goal(f"memory after {seen['requests']} requests / early", seen["late_mb"] / seen["early_mb"], 1.1)
    if seen := results.get("processes"):
        yield Goal("page: CPU of two processes / of one", _cpu(seen["2"]) / _cpu(seen["1"]), 1.1)
    if seen := results.get("queue"):
        few, many = seen
        for what in ("enqueue_ms", "claim_ms"):
            yield Goal(f"{what[:-3]}: {many} waiting / {few}", seen[many][what] / seen[few][what], 1.25)
    if seen := results.get("jobs"):
        ratio = seen["rendered"]["jobs_per_second"] / seen["bare"]["jobs_per_second"]
        yield Goal("jobs that do nothing/s, rendered / procrastinate's own worker", ratio, 0.8, True)
        yield Goal("a job starts after its commit, p50, ms", seen["orders"]["started_p50_ms"], 10.0)
        yield Goal("an idle worker, % of a CPU", seen["orders"]["idle_cpu_percent"], 1.0)
    if seen := results.get("overload"):
        yield Goal("overload: p99 of the accepted, s", (seen["accepted_p99_ms"] or 0.0) / 1000, 15.0)
        yield Goal("overload: slowest /livez, ms", seen["livez_max_ms"], 200.0)
        yield Goal("overload: seconds to recover", seen["recovered_seconds"], 5.0)
    if seen := results.get("bake_seconds"):
        yield Goal("bake, s", seen["render"], 1.0)
        yield Goal("bake with lock and commit, s", seen["render with lock and commit"], 5.0)


def _cpu(sample: dict[str, float]) -> float:
    return sample["cpu_seconds_per_1000"]
