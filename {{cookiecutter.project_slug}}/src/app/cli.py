"""The commands: each process type and each one-off of this service, from one artefact with one configuration.

Imports stand inside the commands, so that each loads what it needs: `web` never imports alembic, `--help` nothing.
"""

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from app.errors import ConfigurationError, DatabaseUnavailable, LockNotObtained, PortUnavailable
from app.identity import SERVICE
from app.logs import configure_logs
from app.settings import SeedSettings, Settings, forget_libpq_variables, load_settings, read_release
from app.settings_report import misspelt_variables, settings_table, shown_values

STDOUT, STDERR = 1, 2

EXIT_CODES: dict[type[Exception], int] = {  # of sysexits.h, so that a platform can tell them apart
    PortUnavailable: 69,  # EX_UNAVAILABLE
    DatabaseUnavailable: 69,
    LockNotObtained: 75,  # EX_TEMPFAIL: try again later
    ConfigurationError: 78,  # EX_CONFIG
}

log: FilteringBoundLogger = structlog.get_logger(__name__)


def web(settings: Settings) -> int:
    """serve HTTP on PORT"""
    from app.server import serve

    return serve(settings)


def worker(settings: Settings) -> int:
    """carry out jobs"""
    from app.worker import run_worker

    return run_worker(settings)


def migrate(settings: Settings) -> int:
    """one-off: bring the database's schema to the newest revision"""
    from app.migrate import migrate

    migrate(settings)
    return 0


def seed(settings: Settings) -> int:
    """one-off: place example orders (SEED_ORDERS, SEED_CONFIRM)"""
    from app.orders.seed import seed_orders

    asyncio.run(seed_orders(settings, load_settings(SeedSettings)))
    return 0


def console(settings: Settings) -> int:
    """one-off: Python with settings and a session; runs a script from stdin"""
    from app.console import run_console

    run_console(settings)
    return 0


def jobs(settings: Settings, parked: bool, retry: list[int | str]) -> int:
    """count jobs by queue and state, with the age of the oldest; list and retry parked ones"""
    from app.jobs_command import run_jobs_command

    return run_jobs_command(settings, parked, retry)


def config(settings: Settings) -> int:
    """print the effective settings, without secrets; --schema prints what there is to set"""
    for name, value in shown_values(settings).items():
        print(f"{name}={value}")
    return 0


def openapi() -> int:
    """print the API's contract"""
    from app.web import create_app

    settings = Settings.model_validate({"DATABASE_URL": "postgresql://nobody@127.0.0.1/none"})  # never connected to
    print(json.dumps(create_app(settings).openapi(), indent=2))
    return 0


PROCESSES: dict[str, Callable[..., int]] = {"web": web, "worker": worker, "migrate": migrate, "seed": seed}
REPORTS: dict[str, Callable[..., int]] = {"console": console, "jobs": jobs, "config": config}  # output is the result


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code. Mistakes on the command line are for a person: usage, exit 2."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    if command == "openapi":
        return openapi()
    if options.pop("schema", False):
        print(settings_table())
        return 0
    configure_logs(command, read_release())
    try:
        return _run_with_settings(command, options)
    except ConfigurationError as error:
        log.critical("configuration refused", problems=error.problems)
        return EXIT_CODES[ConfigurationError]
    except (PortUnavailable, DatabaseUnavailable, LockNotObtained) as error:
        log.critical("command failed", reason=str(error), cause=getattr(error, "cause", ""))
        return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
    except KeyboardInterrupt:
        return 130
    except Exception:
        log.critical("process crashed", exc_info=True)
        return 1


def _run_with_settings(command: str, options: dict[str, Any]) -> int:
    settings = load_settings(Settings)
    forget_libpq_variables()
    descriptor = STDERR if command in REPORTS else STDOUT
    configure_logs(command, settings.release, settings.log_level, descriptor)
    for name, meant in misspelt_variables().items():
        log.warning("variable looks misspelt", variable=name, meant=meant)
    return (PROCESSES | REPORTS)[command](settings, **options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=SERVICE, description="One codebase, several processes.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, command in (PROCESSES | REPORTS | {"openapi": openapi}).items():
        subparser = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        if name == "config":
            subparser.add_argument("--schema", action="store_true", help="print the table of all variables instead")
        if name == "jobs":
            subparser.add_argument("--parked", action="store_true", help="list the parked jobs, each with its reason")
            subparser.add_argument("--retry", nargs="+", type=_job_id, default=[], metavar="ID", help="or `all`")
    return parser


def _job_id(text: str) -> int | str:
    return text if text == "all" else int(text)
