"""`python -m app`: one command per process type or one-off; see `app.cli`.

Two things come before the imports, because a process can be stopped, or crash, while it is still importing:
SIGTERM is answered even as PID 1, where the kernel ignores signals without a handler, and a crash is an event.
"""

import json
import os
import signal
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

LONG_RUNNING = ("web", "worker")


def exit_on_sigterm(_signum: int, _frame: FrameType | None) -> None:
    """End at once: 0 for a process that was stopped as asked, 143 for a one-off that did not finish."""
    os._exit(0 if sys.argv[1:2] and sys.argv[1] in LONG_RUNNING else 143)


def main() -> int:
    """Run one command; return its exit code."""
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    try:
        from app.cli import run
    except Exception:  # whatever a broken artefact raises must still leave one event behind
        event = {
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "level": "critical",
            "event": "import failed",
            "logger": __name__,
            "service": Path(__file__).with_name("name.txt").read_text().strip(),
            "release": "unknown",  # what reads the environment could not be imported
            "process": " ".join(sys.argv[1:2]),
            "exception": traceback.format_exc(limit=-5)[-3000:],
        }
        print(json.dumps(event), flush=True)
        return 1
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
