"""Two consumers of the event stream (factor XI): one shows the events to a person, one only counts them.

    docker compose --profile consumers up reader counter

They ask the engine for the output of the project's containers, as log shippers do. The service knows of neither: they
may come late, leave, or never be there.
"""

import http.client
import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from dev.logs import pleasant

SOCKET = "/var/run/docker.sock"
STREAM = "stream=events"  # the label of those who write the stream


class Engine(http.client.HTTPConnection):
    """The engine's API, behind a socket in the file system."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


def ask(path: str, **filters: list[str]) -> http.client.HTTPResponse:
    """The answer's head; the rest is read as it comes. The connection lives as long as the answer."""
    engine = Engine("engine")
    engine.request("GET", f"{path}filters={quote(json.dumps(filters))}")
    return engine.getresponse()


def containers(project: str) -> Iterator[tuple[str, float]]:
    """The ids of the project's containers that write the stream, and since when: those that run, then each new one."""
    labels = [STREAM, f"com.docker.compose.project={project}"]
    started = ask("/events?", label=labels, type=["container"], event=["start"])
    for container in json.load(ask("/containers/json?", label=labels)):
        yield container["Id"], 0.0
    for line in started:
        event = json.loads(line)
        yield event["id"], event["timeNano"] / 1e9


def lines(container: str, since: float) -> Iterator[str]:
    """What a container writes until it stops; each frame of the engine's is one line."""
    stream = ask(f"/containers/{container}/logs?follow=1&stdout=1&stderr=1&since={since:.9f}&")
    while head := stream.read(8):
        yield stream.read(int.from_bytes(head[4:])).decode(errors="replace").rstrip("\n")


def consume(project: str, take: Callable[[str], Any]) -> None:
    """Hand over every line of every container, each in a thread of its own."""
    followed: set[str] = set()

    def follow(container: str, since: float) -> None:
        for line in lines(container, since):
            take(line)
        followed.remove(container)

    for container, since in containers(project):
        if container not in followed:
            followed.add(container)
            threading.Thread(target=follow, args=(container, since), daemon=True).start()


def count(project: str) -> None:
    """Print the numbers of events once a second, when they have changed."""
    counted: Counter[str] = Counter()
    shown: Counter[str] = Counter()

    def take(line: str) -> None:
        event = json.loads(line)
        counted[f"{event['process']}: {event['event']}"] += 1

    threading.Thread(target=consume, args=(project, take), daemon=True).start()
    while True:
        time.sleep(1)
        if counted != shown:
            shown = counted.copy()
            print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    role, of_project = sys.argv[1:]
    if role == "count":
        count(of_project)
    else:
        consume(of_project, lambda line: print(pleasant(line, colours=False), flush=True))
