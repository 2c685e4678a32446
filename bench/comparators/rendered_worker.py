"""The rendered service's worker with one more task, which does nothing."""

import sys
from typing import Any

from app import worker
from app.cli import run
from procrastinate import App

add_order_jobs = worker.add_order_jobs


def add_order_jobs_and_one_more(jobs: App, *parts: Any) -> None:
    add_order_jobs(jobs, *parts)

    @jobs.task(name="do_nothing", queue="orders")
    async def do_nothing(**_arguments: Any) -> None:
        pass


worker.add_order_jobs = add_order_jobs_and_one_more

if __name__ == "__main__":
    sys.exit(run(["worker"]))
