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
DELAYS = """
    SELECT extract(epoch FROM fulfilled_at - created_at) * 1000 FROM fulfilments JOIN orders ON orders.id = order_id
"""


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
    """Jobs per second of one worker that has plenty, and the time from an order's placing to its fulfilment."""
    url = make_database(server, "jobs", 20_000)
    enqueue_jobs(url, 20_000)
    with _worker(url) as process:
        while count_succeeded(url) < 100:
            time.sleep(0.05)
        done, cpu, started = count_succeeded(url), sum(process.cpu_times()[:2]), time.perf_counter()
        time.sleep(2.0 * plan.seconds)
        seconds, done = time.perf_counter() - started, count_succeeded(url) - done
        cpu = sum(process.cpu_times()[:2]) - cpu
    result = {"jobs_per_second": done / seconds, "cpu_seconds_per_1000": cpu / done * 1000}
    return result | _delays(make_database(server, "delays", 1))


def _delays(url: str) -> dict[str, float]:
    with _worker(url), running(RENDERED, url) as service:
        for _ in range(100):
            request = urllib.request.Request(service.url + "/orders", ORDER.encode())
            request.add_header("Content-Type", "application/json")
            urllib.request.urlopen(request).close()
            time.sleep(0.02)
        while count_succeeded(url) < 100:
            time.sleep(0.05)
    with psycopg.connect(url) as connection:
        delays = sorted(float(row[0]) for row in connection.execute(DELAYS))
    return {"fulfilled_p50_ms": delays[len(delays) // 2], "fulfilled_p99_ms": delays[len(delays) * 99 // 100]}


@contextmanager
def _worker(url: str) -> Iterator[psutil.Process]:
    environment = os.environ | {"DATABASE_URL": url}
    command = [sys.executable, "-I", "-m", "app", "worker"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
