"""Comparator (d): procrastinate's own worker as its documentation starts it, with a task that does nothing."""

import asyncio
import os
from typing import Any

from procrastinate import App, PsycopgConnector

jobs = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))


@jobs.task(name="do_nothing", queue="orders")
async def do_nothing(**_arguments: Any) -> None:
    pass


async def work() -> None:
    async with jobs.open_async():
        await jobs.run_worker_async(concurrency=int(os.environ["WORKER_CONCURRENCY"]))


def main() -> None:
    asyncio.run(work())
