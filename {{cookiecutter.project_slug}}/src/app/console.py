"""`console`: Python with the service's settings and a session; a script on stdin, or a REPL at a terminal."""

import code
import sys

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from structlog.typing import FilteringBoundLogger

from app.connections import connect_once, wait_until_reachable
from app.identity import SERVICE
from app.orders.models import Order
from app.settings import Settings

BANNER = f"{SERVICE}: settings, session, select, text, Order. Nothing is kept without session.commit()."

log: FilteringBoundLogger = structlog.get_logger(__name__)


def run_console(settings: Settings) -> None:
    """Run what comes in. What the session changed is rolled back, unless the script calls `session.commit()`.

    Raise `DatabaseUnavailable`, or whatever the script raises. A statement may take as long as its author waits.
    """
    engine = connect_once(settings, "console", statement_timeout="0", idle_in_transaction_session_timeout="0")
    wait_until_reachable(engine, settings.database_timeout_seconds)
    is_interactive = sys.stdin.isatty()
    log.info("console opened", interactive=is_interactive)
    with Session(engine) as session:
        names = {"settings": settings, "session": session, "select": select, "text": text, "Order": Order}
        if is_interactive:
            code.interact(BANNER, local=names, exitmsg="")
        else:
            exec(compile(sys.stdin.read(), "<stdin>", "exec"), names)  # noqa: S102  # that is what it is for
        has_uncommitted = session.in_transaction()
    log.info("console closed", rolled_back=has_uncommitted)
