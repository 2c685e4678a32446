"""XI. Logs: a stream of events on stdout, one JSON object per line, that the process neither routes nor stores."""

import ast
import os
import re
import shutil
import signal
import statistics
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
import pytest

import app
from dev.postgres import free_port
from tests.conftest import ROOT
from tests.factors import domain
from tests.factors.attached import AttachedService
from tests.factors.conftest import Environment, Evidence, Start
from tests.factors.image import client, containers
from tests.factors.queued import enqueue, states
from tests.factors.tools import APP, HOST, SURROUNDINGS, Load, Process, ask, raw_exchange, run_copy, wait_until

ENVELOPE = {"timestamp", "level", "event", "logger", "service", "release", "process"}
MAX_LINE_BYTES = 4096


def assert_clean(process: Process) -> int:
    """Every line is one bounded JSON object with the envelope, and stderr is empty; return how many lines."""
    for event in process.events():
        assert event.keys() >= ENVELOPE, event
    assert all(len(line) <= MAX_LINE_BYTES for _, line in process.lines)
    assert process.stderr == b""
    return len(process.lines)


def test_a_whole_life_is_json_lines(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS XI.1: start, requests that go well and wrong, malformed HTTP, migrations, SIGTERM: one format."""
    web = start.ready(DATABASE_URL=fresh_database, LOG_LEVEL="debug", DRAIN_SECONDS=0)
    web.ask(*domain.write_request())
    web.ask("GET", "/nowhere")
    web.ask("POST", domain.COLLECTION, domain.refused_row())
    raw_exchange(web.port, b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    raw_exchange(web.port, b"GET / HTTP/9.9\r\n\r\n")
    web.terminate()
    one_offs = [
        start("migrate", DATABASE_URL=fresh_database),
        start("seed", DATABASE_URL=fresh_database, SEED_CONFIRM="yes"),
        start("seed", DATABASE_URL=fresh_database),
        start("migrate", DATABASE_URL="nonsense"),
    ]
    for one_off in one_offs:
        one_off.wait()

    lines = sum(assert_clean(process) for process in [web, *one_offs])

    assert {200, 201, 404, 422} <= {event["status"] for event in web.events("request")}
    assert all(process.lines for process in one_offs), "each says something"
    evidence(f"{lines} lines of 5 processes: all JSON with the envelope; stderr empty")


def broken_copy(folder: Path, module: str, old: str, new: str) -> tuple[str, ...]:
    """How to start a copy of the code with one line changed: a defect that a release may have."""
    shutil.copytree(Path(app.__file__).parent, folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "app" / module
    text = path.read_text()
    assert old in text, f"{module} has changed: adapt this test"
    path.write_text(text.replace(old, new, 1))
    return run_copy(folder)


CRASHES = {
    "at import": ("cli.py", "import argparse\n", "import argparse\nimport a_module_that_is_not_there\n"),
    "in the lifespan": ("web.py", "        yield\n", "        raise RuntimeError('crash at start')\n        yield\n"),
}


@pytest.mark.parametrize("where", CRASHES)
def test_a_crash_before_it_serves_is_an_event(
    where: str, start: Start, database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS XI.1: the traceback is in the stream, in one line, and the exit code is 1."""
    program = broken_copy(tmp_path / "copy", *CRASHES[where])

    web = start.using(program=program)("web", DATABASE_URL=database)
    code = web.wait(15)

    crashed = [event for event in web.events() if "Traceback" in str(event)]
    assert code == 1
    assert len(crashed) == 1
    assert crashed[0]["level"] in ("error", "critical")
    assert web.stderr == b""
    evidence(f"crash {where}: exit 1, one event with the traceback, stderr empty")


CRASH_INSIDE = """        log.info("web started", """
CRASHING = """        import threading, asyncio, warnings
        threading.Thread(target=lambda: 1 / 0).start()
        app_task = asyncio.ensure_future(asyncio.sleep(0)); app_task.add_done_callback(lambda _: 1 / 0)
        warnings.warn("something is deprecated")
        log.info("web started", """


def test_crashes_of_threads_and_tasks_and_warnings_are_events(
    start: Start, database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS XI.1: what the interpreter would print to stderr is an event as well."""
    program = broken_copy(tmp_path / "copy", "web.py", CRASH_INSIDE, CRASHING)

    web = start.using(program=program)("web", DATABASE_URL=database, DRAIN_SECONDS=0)
    web.wait_until_ready()
    web.terminate()

    said = web.output.decode()
    assert said.count("ZeroDivisionError") >= 2, "the thread's and the task's"
    assert "something is deprecated" in said
    assert_clean(web)
    evidence("a thread, a task and a warning: events; stderr empty")


def test_an_unexpected_exception_is_one_event_and_a_500(
    start: Start, database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS XI.1: the client gets problem+json without the traceback, the stream gets it in one line."""
    handler = 'async def livez() -> Status:\n    """'
    program = broken_copy(tmp_path / "copy", "health.py", handler, 'async def livez() -> Status:\n    1 / 0\n    """')

    web = start.using(program=program)("web", DATABASE_URL=database, DRAIN_SECONDS=0)
    web.wait_until_ready()
    answer = web.ask("GET", "/livez", X_Request_ID="crash-1")
    web.terminate()

    crashed = [event for event in web.events() if "ZeroDivisionError" in event.get("exception", "")]
    assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
    assert b"ZeroDivision" not in answer.body
    assert len(crashed) == 1
    assert crashed[0]["request_id"] == answer.headers["x-request-id"] == "crash-1"
    assert_clean(web)
    evidence("500 as problem+json without a traceback; one event with it and the request's id")


def test_an_event_can_be_read_at_once_and_a_kill_loses_none(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS XI.2: on a pipe, without PYTHONUNBUFFERED: nothing sits in a buffer."""
    assert "PYTHONUNBUFFERED" not in SURROUNDINGS
    web = start.ready(DATABASE_URL=database)
    delays = []

    for number in range(20):
        web.ask("GET", domain.COLLECTION, X_Request_ID=f"delay-{number}")
        answered = time.monotonic()
        wait_until(lambda n=number: any(f"delay-{n}".encode() in line for _, line in list(web.lines)))  # type: ignore[misc]
        delays.append(next(at for at, line in web.lines if f"delay-{number}".encode() in line) - answered)
    for number in range(200):
        web.ask("GET", domain.COLLECTION, X_Request_ID=f"kill-{number}")
    web.signal(signal.SIGKILL)
    web.wait()

    seen = {event["request_id"] for event in web.events("request")}
    assert statistics.median(delays) <= 0.1
    assert {f"kill-{number}" for number in range(200)} <= seen
    delay = max(0.0, statistics.median(delays))  # the event may well be read before the answer is
    evidence(f"readable {delay * 1000:.0f} ms after the answer; kill −9: 0 of 200 events lost")


def test_a_request_is_one_event(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS XI.3: method, route template, status, duration, bytes and ids; successful probes are for debugging."""
    web = start.ready(DATABASE_URL=database)
    row = web.ask(*domain.write_request(), X_Request_ID="mine-1").json()["id"]
    answer = web.ask("GET", domain.path_of(row), X_Request_ID="bad id\twith blanks")
    web.ask("GET", "/readyz")
    last = web.ask("GET", "/nowhere/at/all")
    wait_until(lambda: len(web.events("request")) >= 3)

    written, read, lost = web.events("request")
    assert (written["method"], written["route"], written["status"]) == ("POST", domain.COLLECTION, 201)
    assert written["request_id"] == "mine-1"
    assert (read["route"], read["status"]) == (domain.ROUTE_OF_ONE, 200)
    assert read["request_id"] == answer.headers["x-request-id"] != "bad id\twith blanks"
    assert read["bytes"] == len(answer.body)
    assert 0 < read["duration_ms"] < 10_000
    assert lost["status"] == 404
    assert last.headers["x-request-id"] == lost["request_id"]
    evidence("3 requests and a probe: 3 events, by route template, with duration, bytes and request id")


@pytest.mark.race
def test_the_requests_id_crosses_into_the_jobs_events(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS XI.3: what a worker does for a request can be found by the request's id."""
    web = start.ready(DATABASE_URL=fresh_database)
    worker = start("worker", DATABASE_URL=fresh_database)

    web.ask(*domain.write_request(), X_Request_ID="from-web-7")
    wait_until(lambda: any(event.get("request_id") == "from-web-7" for event in worker.events()), 20, "the job's event")

    assert_clean(worker)
    evidence("X-Request-ID from-web-7 is in the events of web and of worker")


@pytest.mark.race
def test_a_job_is_one_event(start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence) -> None:
    """FACTORS XI.3: ids, task, attempts, duration and outcome, whatever the outcome; nothing but JSON in between."""
    attached.answer = lambda call: 201 if len([c for c in attached.calls if c.key == call.key]) > 1 else 503
    settings: Environment = {"DATABASE_URL": fresh_database, domain.ATTACHED_URL: attached.url, "LOG_LEVEL": "debug"}
    web, worker = start.ready("web", **settings), start("worker", **settings)
    web.ask(*domain.write_request(), X_Request_ID="from-web-8")
    with psycopg.connect(fresh_database) as connection:
        enqueue(connection, domain.QUEUE, "of_an_old_release", {})
        enqueue(connection, domain.QUEUE, domain.TASK, {"no longer": "an argument"})
    wait_until(lambda: states(fresh_database, domain.TASK) == ["succeeded", "failed"])
    code = worker.terminate()

    events = [event for event in worker.events("job") if event["queue"] == domain.QUEUE]
    told = {(e["task"], e["attempts"], e["outcome"]) for e in events if e["task"] != domain.PERIODIC_TASK}
    assert told == {
        (domain.TASK, 1, "postponed"),
        (domain.TASK, 2, "succeeded"),
        (domain.TASK, 1, "parked"),
        ("of_an_old_release", 1, "parked"),
    }
    assert all(event["job_id"] > 0 and event["duration_ms"] >= 0 and event["request_id"] for event in events)
    assert {e["request_id"] for e in events if e["outcome"] == "postponed"} == {"from-web-8"}
    assert {call.request_id for call in attached.calls} == {"from-web-8"}
    assert all(event["reason"] for event in events if event["outcome"] != "succeeded")
    assert code == 0
    assert_clean(worker)
    evidence(f"{len(events)} runs, {len(events)} events; the request's id went on to the attached service")


def test_hostile_text_stays_inside_its_line(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS XI.4: newlines, ANSI, long paths, headers and bad UTF-8: still one valid, bounded line each."""
    web = start.ready(DATABASE_URL=database)
    paths = (
        b"/a%0a%0d%7b%22event%22:%22forged%22%7d",
        b"/%1b[31mred",
        b"/" + b"x" * 60_000,
        b"/\xff\xfe",
        b"/%ff%fe%00",
    )

    for path in paths:
        raw_exchange(web.port, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    raw_exchange(web.port, b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-ID: " + b"i" * 1_000_000 + b"\r\n\r\n")
    raw_exchange(web.port, b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\x1b[2J\r\nConnection: close\r\n\r\n")
    web.ask("GET", "/the-last-one")
    wait_until(lambda: b"the-last-one" in web.output)

    assert_clean(web)
    assert not [event for event in web.events() if event["event"] == "forged"]
    assert b"\x1b" not in web.output
    longest = max(len(line) for _, line in web.lines)
    evidence(f"{len(paths) + 2} hostile requests: valid lines, the longest {longest} bytes")


def test_the_stream_is_the_only_way_out(start: Start, database: str, tmp_path: Path, evidence: Evidence) -> None:
    """FACTORS XI.5: no log file, no handler for files, syslog or HTTP; LOG_LEVEL changes verbosity only."""
    handlers = re.compile(
        r"FileHandler|SysLogHandler|HTTPHandler|SocketHandler|SMTPHandler|RotatingFile|logging\.handlers"
    )
    sources = sorted((ROOT / "src" / "app").rglob("*.py"))
    quiet = start.ready(DATABASE_URL=database)
    loud = start.ready(DATABASE_URL=database, LOG_LEVEL="debug")
    for web in (quiet, loud):
        web.ask(*domain.write_request())
        web.ask("GET", "/livez")
    wait_until(lambda: [event for event in loud.events("request") if event["route"] == "/livez"])
    opened = [file.path for file in psutil.Process(loud.pid).open_files() if not file.path.startswith("/dev/")]

    assert [path.name for path in sources if handlers.search(ast.unparse(ast.parse(path.read_text())))] == []
    assert opened == []
    assert list(tmp_path.iterdir()) == [], "the working directory stays empty"
    assert {event["level"] for event in quiet.events()} == {"info"}
    assert {event["level"] for event in loud.events()} == {"info", "debug"}
    assert {frozenset(event) for event in quiet.events("request")} <= {frozenset(e) for e in loud.events("request")}
    evidence("no handler, no open file, no new file; debug adds events and changes none")


@pytest.mark.race
def test_a_reader_that_leaves_or_stops_does_not_stop_the_service(
    start: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS XI.6: with the pipe closed, and with a pipe that nobody reads: it serves on and does not spin."""
    seconds = []
    for behaviour in ("closed", "not read"):
        reading, writing = os.pipe()
        settings = {"HOST": HOST, "PORT": str(free_port()), "DATABASE_URL": database, "DRAIN_SECONDS": "0"}
        web = subprocess.Popen([*APP, "web"], env={**SURROUNDINGS, **settings}, stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        try:
            port = int(settings["PORT"])
            wait_until(lambda p=port: ask(p, "GET", "/readyz").status == 200, 15)  # type: ignore[misc]
            if behaviour == "closed":
                os.close(reading)
            with Load(lambda p=port: [p], clients=4, pause=0, make=domain.read_request) as load:  # type: ignore[misc]
                wait_until(lambda load=load: len(load.answers) > 1000, 30)  # type: ignore[misc]
            assert load.failed() == []
            cpu = psutil.Process(web.pid).cpu_times()
            time.sleep(1)
            after = psutil.Process(web.pid).cpu_times()
            seconds.append(after.user + after.system - cpu.user - cpu.system)
            web.terminate()
            assert web.wait(10) == 0
            assert web.stderr is not None
            assert web.stderr.read() == b""
        finally:
            web.kill()
            web.communicate()
            if behaviour != "closed":
                os.close(reading)

    assert max(seconds) < 0.3
    evidence(f"reader gone, reader asleep: 0 of 2 000 requests failed, exit 0, idle at {max(seconds):.2f} s CPU per s")


@pytest.mark.race
def test_consumers_come_and_go(contained: Start, start: Start, label: str, database: str, evidence: Evidence) -> None:
    """FACTORS XI.7: two attach to the stream from outside, one reads, one only counts; the service knows of neither."""
    web = contained.ready(DATABASE_URL=database, DRAIN_SECONDS=0)
    [name] = containers(label)
    follow = start.using(program=(*client(), "logs", "--follow"))

    with Load(lambda: [web.port], clients=2, pause=0.02, make=domain.read_request) as load:
        reader, counter = follow(name), follow(name)
        reader.wait_for_event("request")
        wait_until(lambda: len(counter.lines) >= 10)
        reader.destroy()
        counted = len(counter.lines)
        wait_until(lambda: len(counter.lines) >= counted + 10)
        counter.destroy()
        done = len(load.answers)
        wait_until(lambda: len(load.answers) >= done + 20)
        later = follow(name)
        later.wait_for_event("request")
    code = web.terminate()

    assert later.wait() == 0, "the stream ends with the service"
    assert len(later.lines) == len(web.lines), "who comes late has missed nothing"
    assert load.failed() == []
    assert code == 0
    evidence(f"a reader and a counter came and were killed: 0 of {len(load.answers)} requests failed, all events kept")
