"""The rendered service beside its comparators: the same requests in turn, several rounds, medians."""

import statistics
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.postgres import Postgres

from bench.databases import make_database, write_ids
from bench.load import ORDER, Scenario, put_load
from bench.services import BARE, KINDS, RAW, RENDERED, Service, running

if TYPE_CHECKING:
    from bench.measure import Plan

WARM_UP_SECONDS = 1


def scenarios(ids: Path) -> list[Scenario]:
    """What is asked of each service."""
    return [
        Scenario("livez", "/livez"),
        Scenario("order", "/orders/", ids=ids),
        Scenario("page", "/orders?limit=10"),
        Scenario("place", "/orders", body=ORDER),
    ]


def compare(server: Postgres, plan: "Plan", folder: Path) -> dict[str, Any]:
    """Medians by service and scenario, and of the rendered service's requests per second the ratio to the others'.

    Each round starts every service anew; they take turns at each scenario, so that what is compared was measured
    within seconds, in an order that rotates. A ratio is the median of the rounds' ratios.
    """
    url = make_database(server, "comparison", plan.orders)
    asked = scenarios(write_ids(url, folder / "ids"))
    samples: dict[str, dict[str, list[dict[str, float]]]] = {kind.name: defaultdict(list) for kind in KINDS}
    for number in range(plan.rounds):
        turns = KINDS[number % len(KINDS) :] + KINDS[: number % len(KINDS)]
        with ExitStack() as stack:
            services = {kind.name: stack.enter_context(running(kind, url)) for kind in turns}
            for scenario in asked:
                for name, service in services.items():
                    samples[name][scenario.name].append(measure(service, scenario, plan.seconds))
            for name, service in services.items():
                samples[name]["start"].append({"seconds": service.start_seconds})
                samples[name]["memory"].append({"mb": service.resident_mb()})
    figures = {name: {what: medians(seen) for what, seen in mine.items()} for name, mine in samples.items()}
    for scenario in asked:
        for other in (RAW, BARE):
            ratio = median_ratio(samples[RENDERED.name][scenario.name], samples[other.name][scenario.name])
            figures[RENDERED.name][scenario.name][f"times_{other.name}"] = ratio
    return figures


def measure(service: Service, scenario: Scenario, seconds: int, connections: int = 16) -> dict[str, float]:
    """One load on one service that is warm; every answer has to be a good one."""
    put_load(service.url, scenario, WARM_UP_SECONDS, connections)
    before = service.cpu_seconds()
    load = put_load(service.url, scenario, seconds, connections)
    cpu_seconds = service.cpu_seconds() - before
    if load.refused or load.broken:
        raise SystemExit(f"{scenario.name}: {load}")
    return {
        "requests_per_second": load.per_second,
        "cpu_seconds_per_1000": cpu_seconds / load.requests * 1000,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
    }


def medians(seen: list[dict[str, float]]) -> dict[str, float]:
    """Of several samples, each figure's median."""
    return {name: statistics.median(sample[name] for sample in seen) for name in seen[0]}


def median_ratio(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> float:
    """Of requests per second, round by round: how fast the machine is changes from one round to the next."""
    pairs = zip(ours, theirs, strict=True)
    return statistics.median(mine["requests_per_second"] / other["requests_per_second"] for mine, other in pairs)
