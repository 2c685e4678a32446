"""Events as lines: one format for whoever speaks, bounded, and never in the way of the service."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from app.logs import configure_logs
from app.stream import MAX_LINE_BYTES, Stream


@pytest.fixture
def said() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Configures logs onto a pipe; the function reads the events. Afterwards logging is as it was."""
    reading, writing = os.pipe()
    root = logging.getLogger()
    before = root.handlers[:], root.level, structlog.get_config()
    configure_logs("test", "v1", "info", descriptor=writing)

    def read() -> list[dict[str, Any]]:
        os.set_blocking(reading, False)
        lines = os.read(reading, 1_000_000).splitlines()
        assert all(len(line) < MAX_LINE_BYTES for line in lines)
        return [json.loads(line) for line in lines]

    yield read
    logging.captureWarnings(False)
    root.handlers[:], root.level = before[:2]
    structlog.configure(**before[2])
    os.close(reading)
    os.close(writing)


def test_our_own_events_and_a_librarys_have_one_form(said: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("ours").info("one thing", count=1)
    logging.getLogger("library").warning("another %s", "thing")

    ours, librarys = said()

    assert list(ours) == ["timestamp", "level", "event", "logger", "service", "release", "process", "count"]
    assert list(ours)[:7] == list(librarys)[:7]
    assert (librarys["level"], librarys["event"], librarys["logger"]) == ("warning", "another thing", "library")


def test_a_traceback_is_one_line_that_keeps_its_end(said: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise ValueError("x" * 100_000 + "the end")
    except ValueError:
        structlog.get_logger().exception("crashed")
        logging.getLogger().exception("crashed")

    for event in said():
        assert event["exception"].startswith("Traceback")
        assert event["exception"].endswith("the end")


@pytest.mark.parametrize(
    "value",
    ["a\nb\r\n", "\x1b[31mred", "\ud800", "x" * 1_000_000, b"\xff", float("nan"), {1: {2}}, object()],
    ids=["line breaks", "colour", "surrogate", "1 MB", "bytes", "nan", "nested", "object"],
)
def test_whatever_the_value_the_line_is_one_valid_object(
    value: object, said: Callable[[], list[dict[str, Any]]]
) -> None:
    structlog.get_logger().info("hostile", value=value)

    assert [event["event"] for event in said()] == ["hostile"]


def test_a_record_that_cannot_be_formatted_is_an_event_too(said: Callable[[], list[dict[str, Any]]]) -> None:
    [handler] = [handler for handler in logging.getLogger().handlers if type(handler).__module__ == "app.logs"]

    handler.handle(logging.LogRecord("library", logging.WARNING, "", 0, "%d apples", ("three",), None))

    assert len(said()) == 1


def test_a_reader_that_stopped_costs_events_and_no_time() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    stream = Stream(writing)
    while not stream.dropped_events:
        stream.write(b"x" * 4000 + b"\n")

    stream.write(b"dropped, too\n")
    dropped = stream.dropped_events
    os.read(reading, 1_000_000)
    stream.write(b"heard\n")

    assert dropped == 2
    assert stream.dropped_events == 0
    assert os.read(reading, 1_000_000).endswith(b"heard\n")
    os.close(reading)
    stream.write(b"to nobody\n")
    os.close(writing)
