"""Cost does not grow with the work: rows, requests served, processes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.postgres import Postgres

from bench.comparison import measure, medians
from bench.databases import make_database, write_ids
from bench.load import Scenario, put_load
from bench.services import RENDERED, running

if TYPE_CHECKING:
    from bench.measure import Plan

PAGE = Scenario("page", "/orders?limit=10")


def row_growth(server: Postgres, plan: "Plan", _folder: Path) -> dict[str, Any]:
    """A page of ten from a small and from a large table."""
    urls = {
        str(plan.orders): make_database(server, "few_orders", plan.orders),
        str(plan.many_orders): make_database(server, "many_orders", plan.many_orders),
    }
    samples: dict[str, list[dict[str, float]]] = {}
    for _ in range(plan.rounds):
        for orders, url in urls.items():
            with running(RENDERED, url) as service:
                samples.setdefault(orders, []).append(measure(service, PAGE, plan.seconds))
    return {orders: medians(seen) for orders, seen in samples.items()}


def memory_growth(server: Postgres, plan: "Plan", folder: Path) -> dict[str, Any]:
    """Resident memory after the first thousand requests and after many more."""
    url = make_database(server, "memory", plan.orders)
    order = Scenario("order", "/orders/", ids=write_ids(url, folder / "memory-ids"))
    with running(RENDERED, url) as service:
        served, early_mb = 0, 0.0
        while served < plan.many_requests:
            load = put_load(service.url, order if early_mb else PAGE, 5 if early_mb else 2)
            served += load.requests
            early_mb = early_mb or service.resident_mb()
        return {"requests": served, "early_mb": early_mb, "late_mb": service.resident_mb()}


def two_processes(server: Postgres, plan: "Plan", _folder: Path) -> dict[str, Any]:
    """CPU per request of one process and of two behind one port."""
    url = make_database(server, "processes", plan.orders)
    samples: dict[str, list[dict[str, float]]] = {}
    for _ in range(plan.rounds):
        for count in ("1", "2"):
            with running(RENDERED, url, {"WEB_CONCURRENCY": count}) as service:
                samples.setdefault(count, []).append(measure(service, PAGE, plan.seconds))
    return {count: medians(seen) for count, seen in samples.items()}
