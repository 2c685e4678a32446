"""What jobs cost: to enqueue and to claim beside few and many others, and through a worker."""

import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from dev.postgres import Postgres
from procrastinate.sql import queries

from bench.comparison import medians
from bench.databases import count_succeeded, enqueue_jobs, make_database
from bench.load import ORDER
from bench.services import RENDERED, running

if TYPE_CHECKING:
    from bench.measure import Plan

FEW_JOBS = 10
CALLS = 300
ENQUEUE = """
    SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
        'orders', 'fulfil_order', 0, NULL, NULL, '{}'::jsonb, NULL
    )::procrastinate_job_to_defer_v1])
"""
FINISH = "UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s"
FILL = """
    SELECT count(procrastinate_defer_jobs_v1(ARRAY[ROW(
        'orders', 'do_nothing', 0, NULL, NULL, '{}'::jsonb, NULL
    )::procrastinate_job_to_defer_v1])) FROM generate_series(1, %s)
"""
DELAYS = """
    SELECT extract(epoch FROM started.at - deferred.at) * 1000, extract(epoch FROM fulfilled_at - created_at) * 1000
    FROM procrastinate_jobs
    JOIN procrastinate_events deferred ON deferred.job_id = procrastinate_jobs.id AND deferred.type = 'deferred'
    JOIN procrastinate_events started ON started.job_id = procrastinate_jobs.id AND started.type = 'started'
    JOIN fulfilments ON order_id = (args->>'order_id')::uuid
    JOIN orders ON orders.id = order_id
"""
WORKER = ("-I", "-m", "app", "worker")
WORKERS = {
    "bare": ("-c", "from bench.comparators import bare_worker as own; own.main()"),
    "rendered": ("-m", "bench.comparators.rendered_worker"),
}
WAITING_JOBS, PLACED_ORDERS, IDLE_SECONDS, WORKER_CONCURRENCY = 20_000, 100, 10, "10"  # the service's default


def queue_growth(server: Postgres, plan: "Plan", _folder: Path) -> dict[str, Any]:
    """Milliseconds to enqueue a job and to claim one, with few and with many waiting; measured alternately."""
    urls = {}
    for name, waiting in (("few_jobs", FEW_JOBS), ("many_jobs", plan.many_jobs)):
        urls[waiting] = make_database(server, name, waiting)
        enqueue_jobs(urls[waiting], waiting)
    samples: dict[str, list[dict[str, float]]] = {}
    for _ in range(plan.rounds):
        for waiting, url in urls.items():
            samples.setdefault(str(waiting), []).append(_enqueue_and_claim(url))
    return {
        waiting: {what: statistics.median(sample[what] for sample in seen) for what in seen[0]}
        for waiting, seen in samples.items()
    }


def _enqueue_and_claim(url: str) -> dict[str, float]:
    enqueue, claim = [], []
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(queries["register_worker"]).fetchone()
        parameters = {"queues": None, "worker_id": row and row[0]}
        for _ in range(CALLS):
            started = time.perf_counter()
            connection.execute(ENQUEUE)
            enqueued = time.perf_counter()
            job = connection.execute(queries["fetch_job"], parameters).fetchone()
            claimed = time.perf_counter()
            connection.execute(FINISH, (job and job[0],))
            enqueue.append(enqueued - started)
            claim.append(claimed - enqueued)
    return {"enqueue_ms": statistics.median(enqueue) * 1000, "claim_ms": statistics.median(claim) * 1000}


def jobs(server: Postgres, plan: "Plan", _folder: Path) -> dict[str, Any]:
    """Jobs that do nothing, per second, of procrastinate's own worker and of ours; and what an order waits for."""
    samples: dict[str, list[dict[str, float]]] = {}
    for number in range(plan.rounds):
        for name, command in WORKERS.items():
            url = make_database(server, f"jobs_{name}_{number}", 1)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(FILL, (WAITING_JOBS,))
                connection.execute("VACUUM ANALYZE")
            samples.setdefault(name, []).append(_throughput(url, command, plan.seconds))
    orders = _delays(make_database(server, "delays", 1))
    return {name: medians(seen) for name, seen in samples.items()} | {"orders": orders}


def _throughput(url: str, command: tuple[str, ...], seconds: float) -> dict[str, float]:
    """Of one worker that has plenty to do and is warm."""
    with _worker(url, command) as process:
        while count_succeeded(url) < 100:
            time.sleep(0.05)
        done, cpu, started = count_succeeded(url), sum(process.cpu_times()[:2]), time.perf_counter()
        time.sleep(seconds)
        took, done = time.perf_counter() - started, count_succeeded(url) - done
        cpu = sum(process.cpu_times()[:2]) - cpu
    return {"jobs_per_second": done / took, "cpu_seconds_per_1000": cpu / done * 1000}


def _delays(url: str) -> dict[str, float]:
    """Milliseconds from an order's commit to its job's start, and to its fulfilment; then what a worker costs idle."""
    with _worker(url, WORKER) as process, running(RENDERED, url) as service:
        for _ in range(PLACED_ORDERS):
            request = urllib.request.Request(service.url + "/orders", ORDER.encode())
            request.add_header("Content-Type", "application/json")
            urllib.request.urlopen(request).close()
            time.sleep(0.02)
        while count_succeeded(url) < PLACED_ORDERS:
            time.sleep(0.05)
        cpu = sum(process.cpu_times()[:2])
        time.sleep(IDLE_SECONDS)
        idle = (sum(process.cpu_times()[:2]) - cpu) / IDLE_SECONDS
    with psycopg.connect(url) as connection:
        starts, fulfilments = (sorted(map(float, column)) for column in zip(*connection.execute(DELAYS), strict=True))
    return {
        "started_p50_ms": statistics.median(starts),
        "fulfilled_p50_ms": statistics.median(fulfilments),
        "fulfilled_p99_ms": fulfilments[PLACED_ORDERS * 99 // 100],
        "idle_cpu_percent": idle * 100,
    }


@contextmanager
def _worker(url: str, command: tuple[str, ...]) -> Iterator[psutil.Process]:
    environment = os.environ | {"DATABASE_URL": url, "WORKER_CONCURRENCY": WORKER_CONCURRENCY}
    with subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
