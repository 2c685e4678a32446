"""The figures as a table with bars on the terminal, as JSON, as charts, and as a part of docs/benchmarks.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.charts import grouped_bars
from bench.goals import goals

SCENARIOS = {
    "livez": "GET /livez",
    "order": "GET /orders/{id}",
    "page": "GET /orders?limit=10",
    "place": "POST /orders",
}
START, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"
BAR_CHARACTERS = 30


def print_report(results: dict[str, Any]) -> None:
    """Everything that was measured, for a person at a terminal."""
    if seen := results.get("comparison"):
        print(f"\n{'':22}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU s/1000':>12}")
        for scenario, title in SCENARIOS.items():
            print(title)
            longest = max(kind[scenario]["requests_per_second"] for kind in seen.values())
            for name, kind in seen.items():
                print(f"  {name:20}{_figures(kind[scenario])}  {_bar(kind[scenario]['requests_per_second'] / longest)}")
        for name, kind in seen.items():
            print(f"{name}: {kind['start']['seconds']:.2f} s to the first 200, {kind['memory']['mb']:.0f} MB")
    for name in ("rows", "memory", "processes", "queue", "jobs", "overload", "bake_seconds"):
        if seen := results.get(name):
            print(f"\n{name}: {json.dumps(_rounded(seen))}")
    print()
    for goal in goals(results):
        sign = "≥" if goal.is_floor else "≤"
        print(f"  {'met   ' if goal.is_met else 'MISSED'}  {goal.value:8.2f} {sign} {goal.limit:<6g} {goal.what}")


def write_docs(results: dict[str, Any], docs: Path) -> None:
    """JSON and charts, and the part of the page between its two marks; its prose is left alone."""
    (docs / "images").mkdir(exist_ok=True)
    (docs / "benchmarks.json").write_text(json.dumps(_rounded(results), indent=2) + "\n")
    if seen := results.get("comparison"):
        charts = {
            "requests": ("Requests per second", "more is better", "requests_per_second"),
            "cpu": ("CPU seconds per 1 000 requests", "less is better", "cpu_seconds_per_1000"),
        }
        for name, (title, unit, figure) in charts.items():
            groups = {
                SCENARIOS[scenario]: {kind: seen[kind][scenario][figure] for kind in ("raw", "bare", "rendered")}
                for scenario in SCENARIOS
            }
            (docs / "images" / f"bench-{name}.svg").write_text(grouped_bars(title, unit, groups))
    page = docs / "benchmarks.md"
    before, _, rest = page.read_text().partition(START)
    after = rest.partition(END)[2]
    page.write_text(before + START + "\n\n" + "\n".join(_markdown(results)) + "\n\n" + END + after)


def _markdown(results: dict[str, Any]) -> Iterator[str]:
    machine = results["machine"]
    yield (
        f"Measured on {results['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}; load average before it {machine['load_average_before']}; "
        f"median of {results['rounds']} rounds."
    )
    if seen := results.get("comparison"):
        yield "\n| request | service | requests/s | p50 ms | p99 ms | CPU s per 1 000 |\n|---|---|---:|---:|---:|---:|"
        for scenario, title in SCENARIOS.items():
            for kind in ("raw", "bare", "rendered"):
                figures = seen[kind][scenario]
                yield (
                    f"| `{title}` | {kind} | {figures['requests_per_second']:.0f} | {figures['p50_ms']:.1f} "
                    f"| {figures['p99_ms']:.1f} | {figures['cpu_seconds_per_1000']:.2f} |"
                )
        yield "\n| service | start to first 200 | resident memory |\n|---|---:|---:|"
        for kind in ("raw", "bare", "rendered"):
            yield f"| {kind} | {seen[kind]['start']['seconds']:.2f} s | {seen[kind]['memory']['mb']:.0f} MB |"
    if seen := results.get("jobs"):
        yield "\n| worker, jobs that do nothing | jobs/s | CPU s per 1 000 |\n|---|---:|---:|"
        for kind, name in (("bare", "procrastinate's own"), ("rendered", "rendered")):
            yield f"| {name} | {seen[kind]['jobs_per_second']:.0f} | {seen[kind]['cpu_seconds_per_1000']:.2f} |"
        orders = seen["orders"]
        yield (
            f"\nAn order's job starts {orders['started_p50_ms']:.1f} ms after its commit; the order is fulfilled "
            f"{orders['fulfilled_p50_ms']:.0f} ms after it was placed (p99 {orders['fulfilled_p99_ms']:.0f} ms). "
            f"An idle worker takes {orders['idle_cpu_percent']:.1f} % of a CPU."
        )
    if seen := results.get("overload"):
        yield (
            f"\nOverload by {seen['clients']} clients: {seen['accepted_per_second']:.0f} requests/s served, "
            f"{seen['refused_per_second']:.0f} refused with 503, {seen['broken']} broken; "
            f"`/livez` {seen['livez_p50_ms']:.0f} ms (slowest {seen['livez_max_ms']:.0f} ms)."
        )
    yield "\n| goal | measured | limit | |\n|---|---:|---:|---|"
    for goal in goals(results):
        sign = "≥" if goal.is_floor else "≤"
        yield f"| {goal.what} | {goal.value:.2f} | {sign} {goal.limit:g} | {'met' if goal.is_met else '**missed**'} |"


def _figures(sample: dict[str, float]) -> str:
    return (
        f"{sample['requests_per_second']:12.0f}{sample['p50_ms']:9.1f}{sample['p99_ms']:9.1f}"
        f"{sample['cpu_seconds_per_1000']:12.2f}"
    )


def _bar(share: float) -> str:
    return "█" * max(1, round(share * BAR_CHARACTERS))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value
