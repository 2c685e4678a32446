"""Four times as many clients as the service admits, each asking again at once."""

import statistics
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.postgres import Postgres

from bench.databases import make_database
from bench.load import put_load
from bench.services import RENDERED, Service, running
from bench.steadiness import PAGE

if TYPE_CHECKING:
    from bench.measure import Plan

ADMITTED = 100  # REQUEST_CONCURRENCY's default
CLIENTS = 4 * ADMITTED
WATCHERS = 4


class Watch:
    """A client beside the load, which notes what it sees of one path: status and seconds."""

    def __init__(self, service: Service, path: str, pause_seconds: float) -> None:
        self._service, self._path, self._pause_seconds = service, path, pause_seconds
        self.seen: list[tuple[int, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            started = time.perf_counter()
            status = ask(self._service, self._path)
            self.seen.append((status, time.perf_counter() - started))
            self._stop.wait(self._pause_seconds)


def ask(service: Service, path: str) -> int:
    """The status of one answer; 0 for none."""
    try:
        service.seconds_to_answer(path, timeout=30)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
    return 200


def overload(server: Postgres, plan: "Plan", _folder: Path) -> dict[str, Any]:
    """What the load generator and some clients beside it see, and how long the service takes to be itself again."""
    url = make_database(server, "overload", plan.orders)
    with running(RENDERED, url) as service:
        put_load(service.url, PAGE, 1)
        watches = [Watch(service, PAGE.path, 0.0) for _ in range(WATCHERS)] + [Watch(service, "/livez", 0.05)]
        for watch in watches:
            watch.__enter__()
        load = put_load(service.url, PAGE, 2 * plan.seconds, CLIENTS)
        for watch in watches:
            watch.__exit__()
        recovered = time.perf_counter()
        while not all(ask(service, PAGE.path) == 200 for _ in range(10)):
            pass
        recovered = time.perf_counter() - recovered
    accepted = [seconds for watch in watches[:-1] for status, seconds in watch.seen if status == 200]
    refused = [seconds for watch in watches[:-1] for status, seconds in watch.seen if status == 503]
    probes = [seconds for status, seconds in watches[-1].seen if status == 200]
    return {
        "clients": CLIENTS,
        "accepted_per_second": (load.requests - load.refused) / load.seconds,
        "refused_per_second": load.refused / load.seconds,
        "broken": load.broken,
        "accepted_p99_ms": _p99_ms(accepted),
        "refused_p99_ms": _p99_ms(refused),
        "livez_p50_ms": statistics.median(probes) * 1000,
        "livez_max_ms": max(probes) * 1000,
        "livez_failed": len(watches[-1].seen) - len(probes),
        "recovered_seconds": recovered,
    }


def _p99_ms(seconds: list[float]) -> float | None:
    return sorted(seconds)[len(seconds) * 99 // 100] * 1000 if seconds else None
