"""Events: one JSON object per line on stdout, whoever speaks, in one format; nothing is routed or stored (factor XI).

Our own events and those of libraries (stdlib `logging`, warnings, threads, the interpreter's last words) end in the
same two places: `_render`, which bounds a line, and `Stream`, which never lets a reader stop the service.
"""

import json
import logging
import sys
import threading
from functools import partial
from types import TracebackType
from typing import Any

import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from app.identity import SERVICE
from app.stream import MAX_LINE_BYTES, Stream

VALUE_CHARACTERS = (2500, 500, 50)  # a line that is too long has its values cut to the first of these that fits
ENCODER = json.JSONEncoder(default=str, allow_nan=False)
QUIET_LIBRARIES = ("httpx", "httpcore", "procrastinate", "alembic.runtime.plugins")  # their info repeats our own events


class _Writer:
    """The end of structlog's chain: a logger with a name, whose every method writes the rendered line."""

    def __init__(self, stream: Stream, name: str = "app") -> None:
        self._stream = stream
        self.name = name

    def info(self, line: str) -> None:
        self._stream.write(line.encode())

    debug = warning = error = critical = info


class _Handler(logging.Handler):
    """The end of stdlib logging: a record becomes an event like any other."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(self.format(record).encode())
        except Exception as error:  # noqa: BLE001  # a record that cannot be formatted is an event, not a traceback on stderr
            message = f"event not rendered: {error!r}"
            self._stream.write(self.format(logging.makeLogRecord({"name": record.name, "msg": message})).encode())


def configure_logs(process: str, release: str, level: str = "info", descriptor: int = 1) -> None:
    """Send every event of this process to a file descriptor, each with the service's, release's and process's name."""
    stream = Stream(descriptor)
    identity = {"service": SERVICE, "release": release, "process": process}
    describe: list[Processor] = [
        merge_contextvars,
        add_log_level,
        add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        partial(_identify, identity),
    ]
    render = partial(_render, stream)
    structlog.configure(
        processors=[*describe, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_Writer, stream),
        cache_logger_on_first_use=True,
    )
    handler = _Handler(stream)
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=describe, processors=[ProcessorFormatter.remove_processors_meta, render])
    )
    logging.basicConfig(handlers=[handler], level=max(logging.INFO, getattr(logging, level.upper())), force=True)
    for library in QUIET_LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    _catch_last_words()


def _identify(identity: dict[str, str], _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put first what every event has, in the order in which a person reads it."""
    head = {key: event.pop(key, None) for key in ("timestamp", "level", "event", "logger")}
    return {**head, **identity, **event}


def _render(stream: Stream, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line of ASCII, which no newline, escape sequence or broken UTF-8 in a value can split or corrupt."""
    if stream.dropped_events:
        event["dropped_events"] = stream.dropped_events
    line = _dump(event)
    for characters in VALUE_CHARACTERS:
        if len(line) < MAX_LINE_BYTES:
            break
        line = _dump({key: _shorten(value, characters) for key, value in event.items()})
    return line + "\n"


def _dump(event: EventDict) -> str:
    try:
        return ENCODER.encode(event)
    except (TypeError, ValueError):  # a key that is no string, a NaN, a circle
        return json.dumps({str(k): v if isinstance(v, str | int | None) else repr(v) for k, v in event.items()})


def _shorten(value: Any, characters: int) -> Any:
    """Keep a value's start and, since a traceback says most there, its end."""
    if isinstance(value, int | float | None):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= characters else f"{text[: characters // 5]} … {text[-characters * 4 // 5 :]}"


def _catch_last_words() -> None:
    """Make events of what the interpreter would print to stderr: a crash, in the main thread or another one."""
    log: FilteringBoundLogger = structlog.get_logger(__name__)

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("process crashed", exc_info=(kind, error, trace))

    def thread_crashed(args: threading.ExceptHookArgs) -> None:
        log.error("thread crashed", thread=args.thread and args.thread.name, exc_info=args.exc_value)

    def ignored(args: "sys.UnraisableHookArgs") -> None:
        log.error("exception ignored", where=repr(args.object), exc_info=args.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = crashed, thread_crashed, ignored
