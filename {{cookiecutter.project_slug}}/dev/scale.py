"""`make scale`: what one, two and four workers do with the same jobs, and what a kill -9 costs (factor VIII).

An attached service that takes 0.5 s for an order makes the jobs slow. Nothing in the workers knows of their number:
they take what is next in the queue, and the queue is all that they share.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from dev.postgres import free_port, throw_away_postgres
from dev.shop import ORDER_SECONDS, Shop, running, slow_fulfilment

ORDERS = 40
WORKER_CONCURRENCY = 2
FORMATIONS = (1, 2, 4)
BAR_WIDTH = 40
LIMIT_SECONDS = 60.0


def fulfil_orders(shop: Shop, label: str, victim: subprocess.Popen[bytes] | None = None) -> float:
    """Place the orders; return the seconds until all are fulfilled. The victim is killed in the middle."""
    before = shop.count("fulfilments")
    started = time.monotonic()
    shop.place_orders(ORDERS)
    while (done := shop.count("fulfilments") - before) < ORDERS and time.monotonic() < started + LIMIT_SECONDS:
        if victim is not None and victim.poll() is None and done >= ORDERS // 4:
            victim.kill()
        show_progress(label, done, time.monotonic() - started)
        time.sleep(0.05)
    seconds = time.monotonic() - started
    show_progress(label, done, seconds, end="\n")
    return seconds


def show_progress(label: str, done: int, seconds: float, end: str = "") -> None:
    """One line that is written over while it changes; without a terminal only its last state is printed."""
    if end or sys.stdout.isatty():
        line = f"{label:<22} {'#' * done}{'.' * (ORDERS - done)} {done:>3}/{ORDERS} {seconds:6.1f} s"
        print(f"\r{line}" if sys.stdout.isatty() else line, end=end, flush=True)


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not is_true():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {LIMIT_SECONDS:g} s")
        time.sleep(0.05)


def print_bars(label_seconds: Mapping[str, float]) -> None:
    longest = max(label_seconds.values())
    for label, seconds in label_seconds.items():
        bar = "█" * max(1, round(BAR_WIDTH * seconds / longest))
        print(f"{label:<22} {bar:<{BAR_WIDTH}} {seconds:5.1f} s")


def measure(shop: Shop, settings: Mapping[str, str], processes: ExitStack) -> bool:
    """Fulfil the same orders with more and more workers; return whether no effect was lost when one was killed."""
    workers: list[subprocess.Popen[bytes]] = []
    seconds: dict[str, float] = {}
    for size in FORMATIONS:
        while len(workers) < size:
            workers.append(processes.enter_context(running("worker", settings)))
        wait_until(lambda: shop.count("procrastinate_workers") == len(workers), f"{size} workers")
        label = f"{size} worker{'s' if size > 1 else ''}"
        seconds[label] = fulfil_orders(shop, label)
    effects = shop.count("fulfilments")
    with_a_kill = fulfil_orders(shop, f"{len(workers)} workers, kill -9", victim=workers[0])
    effects = shop.count("fulfilments") - effects
    runs = shop.count("procrastinate_jobs WHERE status = 'succeeded' AND attempts > 1")

    print(f"\n{ORDERS} orders of {ORDER_SECONDS:g} s; each worker takes {WORKER_CONCURRENCY} at a time\n")
    print_bars(seconds)
    ratio = seconds[label] / seconds["1 worker"]
    print(f"\n{label} took {ratio:.2f} × the time of one.")
    print(
        f"kill -9 of a worker in the middle: {ORDERS} orders, {effects} effects. The {runs} orders that it had in hand"
    )
    print(f"waited until it counted as dead (10 s without a heartbeat) and ran again: {with_a_kill:.1f} s in all.")
    return effects == ORDERS


def main() -> int:
    with ExitStack() as processes:
        port, url = free_port(), processes.enter_context(slow_fulfilment())
        database_url = processes.enter_context(throw_away_postgres()).url
        settings = {
            "DATABASE_URL": database_url,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "FULFILMENT_URL": url,
            "WORKER_CONCURRENCY": str(WORKER_CONCURRENCY),
            "DRAIN_SECONDS": "0",
            "LOG_LEVEL": "error",
        }
        with running("migrate", settings) as migration:
            if migration.wait() != 0:
                return 1
        processes.enter_context(running("web", settings))
        shop = Shop(database_url, port)
        wait_until(shop.is_open, "web")
        return 0 if measure(shop, settings, processes) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
