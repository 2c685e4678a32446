"""VII. Port binding: the service exports HTTP by binding a port itself; no web server is injected around it."""

import http.client
import json
import socket
from contextlib import closing

import psutil
import pytest

from dev.postgres import free_port
from tests.factors import domain
from tests.factors.conftest import Environment, Evidence, Start
from tests.factors.image import LOCKED_DOWN, docker, inspect
from tests.factors.queued import wait_until_working
from tests.factors.tools import HOST, Process, connections, exchange, raw_exchange, wait_until


def listening_ports(process: Process) -> set[int]:
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return {
        connection.laddr.port
        for member in family
        for connection in member.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_it_listens_on_its_port_and_on_nothing_else(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS VII.1, VII.2: the socket is the process's own; two of them run side by side."""
    webs = [start("web", DATABASE_URL=database) for _ in range(2)]

    took = [web.wait_until_ready(5) for web in webs]

    assert [listening_ports(web) for web in webs] == [{webs[0].port}, {webs[1].port}]
    evidence(f"2 processes on {webs[0].port} and {webs[1].port} within {max(took):.2f} s, no other socket")


def test_a_taken_port_is_a_clear_error(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS VII.1: exit 69 and one line with the port."""
    with socket.create_server((HOST, 0)) as stranger:
        port = stranger.getsockname()[1]

        web = start("web", DATABASE_URL=database, PORT=port)
        code = web.wait(10)

    assert code == 69
    assert len(web.lines) == 1
    assert str(port) in web.events()[0]["reason"]
    assert web.stderr == b""
    evidence(f"port {port} taken: exit 69, one line that names it")


@pytest.mark.parametrize("port", ["abc", "70000", "0", "-1", "80.5", ""])
def test_a_port_that_is_none_is_refused(port: str, start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS VII.1: exit 78 and one line with the variable."""
    web = start("web", DATABASE_URL=database, PORT=port)

    assert web.wait(10) == 78
    assert list(web.events()[0]["problems"]) == ["PORT"]
    evidence(f"PORT={port!r}: exit 78")


def test_http_is_right_without_a_proxy_in_front(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS VII.3: keep-alive, chunked bodies, HEAD, and every error as problem+json."""
    web = start.ready(DATABASE_URL=database, REQUEST_MAX_BYTES=1000)
    errors = {
        404: ("GET", "/nowhere", None),
        405: ("DELETE", domain.COLLECTION, None),
        413: ("POST", domain.COLLECTION, b"x" * 1001),
        422: ("POST", domain.COLLECTION, domain.refused_row()),
    }
    chunks = (json.dumps(domain.new_row()).encode()[at : at + 7] for at in range(0, 100, 7))

    with closing(http.client.HTTPConnection(HOST, web.port, timeout=10)) as connection:
        row = exchange(connection, *domain.write_request()).json()["id"]
        kept = connection.sock
        head = exchange(connection, "HEAD", domain.path_of(row))
        get = exchange(connection, "GET", domain.path_of(row))
        still = connection.sock
        connection.request("POST", domain.COLLECTION, chunks, {"Content-Type": "application/json"}, encode_chunked=True)
        chunked = connection.getresponse()
        chunked.read()
    answers = {status: web.ask(*request) for status, request in errors.items()}

    assert kept is still
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))
    assert chunked.status == 201
    for status, answer in answers.items():
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.headers["x-request-id"]
    evidence("keep-alive, HEAD, chunked right; 404, 405, 413, 422 as problem+json")


def test_a_chunked_body_over_the_limit_is_refused_before_it_is_read(
    start: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS VII.3: whoever declares no length is cut off at the limit, long before the end."""
    web = start.ready(DATABASE_URL=database, REQUEST_MAX_BYTES=1000)
    head = (f"POST {domain.COLLECTION} HTTP/1.1", "Host: x", "Content-Type: application/json")
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"

    answer = raw_exchange(
        web.port, "\r\n".join((*head, "Transfer-Encoding: chunked", "", "")).encode() + chunk * 3
    )  # and no end

    assert answer.startswith(b"HTTP/1.1 413 ")
    evidence("1 000 bytes allowed: 413 after 3 chunks of 1 024, without waiting for the end")


def test_forwarded_headers_are_believed_from_trusted_proxies_only(
    start: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS VII.3: anybody can write X-Forwarded-For; only the proxies that are named are heard."""
    trusting = start("web", DATABASE_URL=database, FORWARDED_ALLOW_IPS=HOST)
    wary = start("web", DATABASE_URL=database, FORWARDED_ALLOW_IPS="10.1.2.3")

    for web in (trusting, wary):
        web.wait_until_ready()
        answer = web.ask("GET", domain.COLLECTION, X_Forwarded_For="203.0.113.7")
        assert answer.status == 200, answer
        web.wait_for_event("request")

    assert [web.events("request")[-1]["client"] for web in (trusting, wary)] == ["203.0.113.7", HOST]
    evidence("from a trusted proxy: 203.0.113.7; from anybody else: the peer's address")


def test_hostile_input_is_the_clients_fault(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS, Beyond: whatever comes in, the answer is 4xx problem+json, never 5xx, and the process goes on."""
    web = start.ready(DATABASE_URL=database)

    for case, (method, path, body) in domain.HOSTILE.items():
        answer = web.ask(method, path, body)
        # a refusal may come while a large body is still being sent: then there is nobody left to tell
        torn = case == "20 MB" and answer.status == 0
        assert torn or 400 <= answer.status < 500, f"{case}: {answer}"
        assert torn or answer.headers["content-type"] == "application/problem+json", case
        assert web.is_running(), case

    for key in ("", "k" * 10_000, "a b"):
        assert web.ask("POST", domain.COLLECTION, domain.new_row(), Idempotency_Key=key).status == 422
    assert web.ask(*domain.write_request()).status == 201
    assert not [event for event in web.events() if event["level"] in ("error", "critical")]
    evidence(f"{len(domain.HOSTILE)} hostile requests: all 4xx, no error event, still serving")


def test_slow_and_silent_clients_do_not_stop_others(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS, Beyond: 200 half-open connections and 20 clients that never read: the rest is served as ever."""
    web = start.ready(DATABASE_URL=database)

    with connections(web.port, 200) as half_open, connections(web.port, 20) as deaf:
        for connection in half_open:
            connection.sendall(f"POST {domain.COLLECTION} HTTP/1.1\r\nHost: x\r\nContent-Le".encode())
        for connection in deaf:
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        answers = [web.ask(*domain.write_request(), timeout=5) for _ in range(20)]

    assert {answer.status for answer in answers} == {201}
    evidence(f"220 stuck clients: 20 of 20 writes, the slowest {max(a.seconds for a in answers):.2f} s")


@pytest.mark.race
def test_more_requests_than_fit_get_503_and_probes_their_answer(
    start: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS, Beyond: an overloaded process says so at once, and nobody takes it for dead."""
    web = start.ready(DATABASE_URL=database, REQUEST_CONCURRENCY=5)
    body_is_late = "Host: x\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{"

    with connections(web.port, 5) as held:
        for connection in held:
            connection.sendall(f"POST {domain.COLLECTION} HTTP/1.1\r\n{body_is_late}".encode())
        refused = [web.ask(*domain.read_request()) for _ in range(3)]
        with connections(web.port, 200) as herd:
            for connection in herd:
                connection.sendall(f"GET {domain.COLLECTION} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            probes = [web.ask("GET", path).status for path in ("/livez", "/readyz", "/version")]
            answers = [connection.recv(65536)[:12] for connection in herd]

    assert {answer.status for answer in refused} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert answers == [b"HTTP/1.1 503"] * 200
    assert probes == [200, 200, 200]
    evidence("5 requests held, limit 5: the sixth gets 503 with Retry-After, and so do 200 at once; probes 200")


def test_another_address_is_another_hosts_matter(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS VII.1: HOST says where; an address that is not this machine's is a clear error, too."""
    web = start("web", DATABASE_URL=database, HOST="203.0.113.1", PORT=free_port())

    assert web.wait(10) == 69
    assert len(web.lines) == 1
    evidence("HOST=203.0.113.1: exit 69, one line")


def test_a_worker_listens_on_nothing(start: Start, fresh_database: str, evidence: Evidence) -> None:
    """FACTORS VII.2: it has nothing to say to anybody who would connect to it."""
    worker = start("worker", DATABASE_URL=fresh_database, PORT=free_port())
    wait_until_working(fresh_database, worker)

    assert listening_ports(worker) == set()
    evidence("worker: no socket that listens")


def test_one_service_is_a_backing_service_of_another_by_its_url_alone(
    start: Start, fresh_database: str, database: str, evidence: Evidence
) -> None:
    """FACTORS VII.4: a second deploy fulfils for the first; moved elsewhere, only the URL changes."""
    before = domain.stored_ids(database)
    other = start.ready(DATABASE_URL=database, DRAIN_SECONDS=0)
    settings: Environment = {"DATABASE_URL": fresh_database}
    worker = start("worker", **settings, **{domain.ATTACHED_URL: f"http://{HOST}:{other.port}"})
    first = domain.place_rows(fresh_database, 2)
    wait_until(lambda: sorted(domain.effects(fresh_database)) == sorted(first))
    at_the_other = domain.stored_ids(database) - before
    other.terminate()
    worker.terminate()

    moved = start.ready(DATABASE_URL=database, DRAIN_SECONDS=0)
    start("worker", **settings, **{domain.ATTACHED_URL: f"http://{HOST}:{moved.port}"})
    second = domain.place_rows(fresh_database, 3)
    wait_until(lambda: sorted(domain.effects(fresh_database)) == sorted(first + second))

    assert moved.port != other.port
    assert len(at_the_other) == 2
    assert len(domain.stored_ids(database) - before) == 5
    evidence(f"2 rows fulfilled by the service on port {other.port}, 3 more by the one on {moved.port}")


def test_the_image_listens_on_its_port_and_on_nothing_else(image: str, label: str, evidence: Evidence) -> None:
    """FACTORS VII.1: alone in a network, as PID 1: one socket, on which the image's own health check finds it."""
    options = [f"--label={label}", "--network=none", *LOCKED_DOWN, "--health-start-interval=1s", "--health-timeout=10s"]
    settings = ["--env=PORT=5000", "--env=DATABASE_URL=postgresql://nobody@127.0.0.1/none"]

    name = docker("run", "--detach", *options, *settings, image)
    wait_until(lambda: inspect(name)["State"]["Health"]["Status"] == "healthy", 30, "healthy")

    sockets = docker("exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines()
    listening = [fields[1] for fields in map(str.split, sockets) if fields[3] == "0A"]
    assert listening == [f"00000000:{5000:04X}"]
    evidence("PORT=5000: healthy, and listening on 0.0.0.0:5000 alone")
