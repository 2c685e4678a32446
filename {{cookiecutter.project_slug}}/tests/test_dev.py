"""The tools of development: a PostgreSQL that ends with whoever started it, and a pleasant reader of events."""

import json
import os
import signal
import subprocess
import sys

import psutil
import psycopg
import pytest

from dev.logs import pleasant
from dev.postgres import throw_away_postgres
from tests.conftest import ROOT
from tests.factors.tools import wait_until

HOLD = """
import sys, time
from dev.postgres import throw_away_postgres
with throw_away_postgres() as server:
    print(server.process.pid, flush=True)
    time.sleep(600)
"""


def test_the_server_is_there_and_then_gone() -> None:
    with throw_away_postgres() as server:
        folder, url = server.folder, server.url
        with psycopg.connect(url) as connection:
            assert connection.info.server_version // 10_000 == 18

    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)


def test_a_password_is_needed() -> None:
    with throw_away_postgres() as server, pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url, password="another")


@pytest.mark.race
def test_a_kill_of_its_parent_ends_the_server() -> None:
    parent = subprocess.Popen([sys.executable, "-c", HOLD], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    server = int(parent.stdout.readline())

    parent.kill()
    parent.wait()
    parent.stdout.close()

    wait_until(lambda: not psutil.pid_exists(server) or psutil.Process(server).status() == "zombie", 15, "the end")


@pytest.mark.race
def test_a_command_beside_the_database_ends_with_it() -> None:
    script = "import os, time; print(os.environ['DATABASE_URL'], flush=True); time.sleep(600)"
    given = {**os.environ, "DATABASE_URL": "postgresql://given@127.0.0.1/one"}
    command = [sys.executable, "-m", "dev", sys.executable, "-c", script]
    process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None

    assert process.stdout.readline().strip() == given["DATABASE_URL"], "one that is given is used"
    process.send_signal(signal.SIGTERM)

    assert process.wait(15) != 0
    process.stdout.close()


def test_an_event_reads_pleasantly() -> None:
    event = {
        "timestamp": "2026-01-02T03:04:05.678901Z",
        "level": "info",
        "event": "request",
        "process": "web",
        "status": 200,
    }

    assert pleasant(json.dumps(event), colours=False) == "03:04:05.678 info    web     request status=200"


@pytest.mark.parametrize("line", ["plain text", "[1]", '{"no": "event"}', ""])
def test_what_is_no_event_passes_as_it_is(line: str) -> None:
    assert pleasant(line) == line
