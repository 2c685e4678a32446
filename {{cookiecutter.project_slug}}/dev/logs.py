"""Make the event stream pleasant at a terminal: JSON lines on stdin, coloured lines on stdout, the rest as it is.

    python -m app web | python -m dev.logs

The service has one format; how a person likes to read it is decided here, outside of it.
"""

import contextlib
import json
import signal
import sys
from typing import Any

COLOURS = {"debug": 90, "info": 36, "warning": 33, "error": 31, "critical": 35}
ENVELOPE = ("timestamp", "level", "event", "logger", "service", "release", "process")


def coloured(text: str, colour: int, *, on: bool) -> str:
    return f"\033[{colour}m{text}\033[0m" if on else text


def pleasant(line: str, *, colours: bool = True) -> str:
    """One event as `12:34:56.789 info  web  request  method=GET …`; a line that is no event unchanged."""
    try:
        event: Any = json.loads(line)
    except ValueError:
        return line
    if not isinstance(event, dict) or "event" not in event:
        return line
    level = str(event.get("level", "info"))
    clock = str(event.get("timestamp", ""))[11:23]
    details = {key: value for key, value in event.items() if key not in ENVELOPE}
    trace = str(details.pop("exception", ""))
    parts = [
        coloured(clock, 90, on=colours),
        coloured(f"{level:<7}", COLOURS.get(level, 0), on=colours),
        f"{event.get('process', ''):<7}",
        coloured(str(event["event"]), 1, on=colours),
        *(f"{coloured(key, 90, on=colours)}={value}" for key, value in details.items()),
    ]
    return " ".join(parts) + (f"\n{trace}" if trace else "")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which still has something to say
    colours = sys.stdout.isatty()
    with contextlib.suppress(BrokenPipeError):
        for line in sys.stdin:
            print(pleasant(line.rstrip("\n"), colours=colours), flush=True)


if __name__ == "__main__":
    main()
