"""IX. Disposability: fast to start, graceful to stop, robust against sudden death."""

import functools
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

import psycopg
import pytest

from app.settings import Settings
from tests.conftest import ROOT
from tests.factors import domain
from tests.factors.attached import AttachedService, Call
from tests.factors.conftest import Environment, Evidence, Start, line_to
from tests.factors.queued import (
    count_dead_workers,
    is_somebody_locked_out,
    job_of_a_dead_worker,
    locked_outcomes,
    states,
    wait_until_working,
)
from tests.factors.tools import HOST, Balancer, Line, Load, Process, SlowRequest, connections, wait_until

PROBE = r"path: /readyz.*\n\s+periodSeconds: (\d+)\n\s+failureThreshold: (\d+)"

PROCESSES = pytest.mark.parametrize("processes", [1, 2], ids=["one process", "two processes"])


def is_refused(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return True
    return False


def hears_sigterm(pid: int) -> bool:
    """Whether a process has a handler of SIGTERM. It must have one before it imports what takes long."""
    is_importing = "pydantic_core" in Path(f"/proc/{pid}/maps").read_text()
    caught = int(Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")[2].split()[0], 16)
    hears = bool(caught >> (signal.SIGTERM - 1) & 1)
    assert hears or not is_importing, "as PID 1 it would ignore SIGTERM now"
    return hears


def test_it_is_ready_within_three_seconds(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS IX.1: scaling out and replacing are as fast as a start."""
    took, help_took = [], []
    for _ in range(3):
        web = start("web", DATABASE_URL=database, DRAIN_SECONDS=0)
        took.append(web.wait_until_ready(30) - web.waited_for_cpu())  # a busy machine is not the service's fault
        web.terminate()
        usage = start("--help")
        help_took.append(usage.seconds_until_its_end())
        assert usage.wait() == 0

    assert min(took) <= 3
    assert min(help_took) <= 1
    evidence(f"ready after {min(took):.2f} s, --help after {min(help_took):.2f} s (best of 3)")


def stop_behind_a_balancer(leaving: Process, staying: Process, unready_within: float, evidence: Evidence) -> None:
    """Stop one of two that serve 20 keep-alive clients and hold a request in flight; nobody may notice."""
    for web in (leaving, staying):
        web.wait_until_ready(30)

    with Balancer(leaving.port, staying.port) as balancer:
        wait_until(lambda: len(balancer.ready()) == 2)
        with Load(balancer.ready, clients=20, pause=0.2, make=domain.read_request) as load:
            with SlowRequest(leaving.port, *domain.write_request()) as slow:
                wait_until(lambda: len(load.answers) > 50)
                leaving.signal(signal.SIGTERM)
                told = time.monotonic()
                wait_until(lambda: leaving.ask("GET", "/readyz").status == 503, unready_within + 1, "unready")
                unready = time.monotonic() - told
                draining = leaving.ask(*domain.read_request())
                alive = leaving.ask("GET", "/livez").status
                time.sleep(max(0.0, told + 3 - time.monotonic()))  # the request takes 3 s, longer than the drain
                answer = slow.finish()
            code = leaving.wait(10)
            wait_until(lambda: len(load.failed(told)) > 0 or load.answers[-1][0] > told + 4)
    rate = len(load.answers) / (load.answers[-1][0] - load.answers[0][0])

    assert load.failed() == []
    assert rate >= 50
    assert unready <= unready_within
    assert alive == 200
    assert (draining.status, draining.headers["connection"]) == (200, "close"), "still serving, and saying goodbye"
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert code == 0
    evidence(
        f"SIGTERM at {rate:.0f} rps: 0 of {len(load.answers)} requests failed, unready after {unready:.2f} s, exit 0"
    )


@PROCESSES
@pytest.mark.race
def test_a_stop_behind_a_balancer_fails_no_request(
    processes: int, start: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS IX.2: SIGTERM, a request in flight and 20 keep-alive clients: unready at once, 0 failed, exit 0."""
    leaving = start("web", DATABASE_URL=database, DRAIN_SECONDS=2, WEB_CONCURRENCY=processes)
    staying = start("web", DATABASE_URL=database)

    stop_behind_a_balancer(leaving, staying, 0.3 if processes == 1 else 1.0, evidence)


@PROCESSES
@pytest.mark.race
def test_a_stop_of_the_image_fails_no_request(
    processes: int, contained: Start, start: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS IX.2: the same as PID 1, which the kernel spares every signal that it does not handle itself."""
    leaving = contained("web", DATABASE_URL=database, DRAIN_SECONDS=2, WEB_CONCURRENCY=processes)
    staying = start("web", DATABASE_URL=database)

    stop_behind_a_balancer(leaving, staying, 1.0, evidence)  # docker passes the signal on


def replace_both(start: Start, database: str, processes: int, evidence: Evidence) -> None:
    """Replace two replicas, one after the other, under load from clients that never retry; nobody may notice."""
    old = [start("web", DATABASE_URL=database, DRAIN_SECONDS=2, WEB_CONCURRENCY=processes) for _ in range(2)]
    for web in old:
        web.wait_until_ready(start.patience)

    with Balancer(*(web.port for web in old)) as balancer:
        wait_until(lambda: len(balancer.ready()) == 2)
        with Load(balancer.ready, clients=8, pause=0.1, make=domain.write_request) as load:
            codes = []
            for web in old:
                new = start.ready(DATABASE_URL=database, WEB_CONCURRENCY=processes)
                balancer.ports.append(new.port)
                wait_until(lambda port=new.port: port in balancer.ready())  # type: ignore[misc]
                codes.append(web.terminate())
                balancer.ports.remove(web.port)
    acknowledged = {answer.json()["id"] for _, answer in load.answers}

    assert load.failed() == []
    assert codes == [0, 0]
    assert acknowledged <= domain.stored_ids(database)
    evidence(f"2 of 2 replicas replaced: 0 of {len(load.answers)} requests failed, exits 0 and 0")


@PROCESSES
@pytest.mark.race
def test_a_rolling_replacement_fails_no_request(
    processes: int, start: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS IX.3: one replica after the other, with one process and with two."""
    replace_both(start, database, processes, evidence)


@pytest.mark.race
def test_a_rolling_replacement_of_the_image_fails_no_request(
    contained: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS IX.3: the same with each replica as PID 1 of a container."""
    replace_both(contained, database, 1, evidence)


@pytest.mark.race
def test_without_a_drain_the_listener_closes_at_once(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS IX.4: DRAIN_SECONDS=0 is for those without a balancer; what is in progress still finishes."""
    web = start.ready(DATABASE_URL=database, DRAIN_SECONDS=0)

    with SlowRequest(web.port, *domain.write_request()) as slow:
        web.signal(signal.SIGTERM)
        closed = wait_until(lambda: is_refused(web.port), 2, "listener closed")
        answer = slow.finish()

    assert answer.startswith(b"HTTP/1.1 201 ")
    assert web.wait(10) == 0
    evidence(f"listener closed after {closed:.2f} s, the request in progress got its 201, exit 0")


@PROCESSES
@pytest.mark.race
def test_more_signals_change_nothing(processes: int, start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS IX.5: SIGTERM three times, and to the whole group: one drain, exit 0, no traceback."""
    web = start.ready(DATABASE_URL=database, DRAIN_SECONDS=1, SHUTDOWN_SECONDS=3, WEB_CONCURRENCY=processes)

    began = time.monotonic()
    for _ in range(3):
        web.signal(signal.SIGTERM)
        os.killpg(web.pid, signal.SIGTERM)
        time.sleep(0.1)
    served = web.ask(*domain.read_request()).status
    code = web.wait(10)
    took = time.monotonic() - began

    assert (served, code) == (200, 0)
    assert 1 <= took <= 1 + 3 + 1
    assert b"Traceback" not in web.output
    assert web.stderr == b""
    evidence(f"6 × SIGTERM, {processes} process(es): served meanwhile, exit 0 after {took:.2f} s, no traceback")


@pytest.mark.race
def test_sigint_stops_without_a_drain(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS IX.5: Ctrl-C is a person who waits."""
    web = start.ready(DATABASE_URL=database, DRAIN_SECONDS=30)

    began = time.monotonic()
    web.signal(signal.SIGINT)
    code = web.wait(10)

    assert code == 0
    assert web.stderr == b""
    evidence(f"SIGINT: exit 0 after {time.monotonic() - began:.2f} s")


@pytest.mark.race
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_sigterm_during_start_up_ends_it(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS IX.5: at whatever moment of its start: bounded, exit 0, no traceback. It listens before it imports."""
    moments = (0.0, 0.1, 0.2, 0.4, 0.7)

    for moment in moments:
        web = start("web", DATABASE_URL=database, DRAIN_SECONDS=0)
        wait_until(functools.partial(hears_sigterm, web.pid), what="a handler of SIGTERM")
        time.sleep(moment)
        code = web.terminate(10)
        assert code == 0, f"{moment} s after it could hear"
        assert b"Traceback" not in web.output + web.stderr
    evidence(f"SIGTERM as soon as it could be heard, and {', '.join(map(str, moments[1:]))} s later: exit 0")


@pytest.mark.race
def test_a_client_that_never_reads_does_not_hold_up_a_stop(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS IX.5: SHUTDOWN_SECONDS is the limit for everybody."""
    web = start.ready(DATABASE_URL=database, DRAIN_SECONDS=0, SHUTDOWN_SECONDS=2)

    with connections(web.port, 1) as (deaf,), SlowRequest(web.port, *domain.write_request()):
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
        began = time.monotonic()
        code = web.terminate(10)
        took = time.monotonic() - began

    assert code == 0
    assert took <= 2 + 1.5
    assert b"Traceback" not in web.output
    evidence(f"a deaf and a mute client, limit 2 s: exit 0 after {took:.2f} s")


@pytest.mark.race
def test_requests_in_a_black_hole_do_not_hold_up_a_stop(
    start: Start, database: str, line: Line, evidence: Evidence
) -> None:
    """FACTORS IX.5: with requests and pools in a database that hangs: the limit holds, exit 0."""
    url = line.through(database)
    web = start.ready(DATABASE_URL=url, DATABASE_TIMEOUT_SECONDS=30, DRAIN_SECONDS=0, SHUTDOWN_SECONDS=2)
    line.freeze()

    with Load(lambda: [web.port], clients=5, pause=0.01, make=domain.read_request):
        wait_until(lambda: line.accepted >= 1)
        time.sleep(0.3)
        began = time.monotonic()
        code = web.terminate(10)
        took = time.monotonic() - began

    assert code == 0
    assert took <= 2 + 1.5
    evidence(f"5 requests in the black hole, limit 2 s: exit 0 after {took:.2f} s")


@pytest.mark.race
def test_a_killed_parent_leaves_no_orphan_on_the_port(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS IX.5, VIII.4: kill −9 of the parent of two processes: they go as well, and the port is free."""
    web = start.ready(DATABASE_URL=database, WEB_CONCURRENCY=2)

    web.signal(signal.SIGKILL)
    gone = wait_until(lambda: is_refused(web.port), 10, "port free")

    assert start.ready(DATABASE_URL=database, PORT=web.port).is_running()
    evidence(f"kill −9 of the parent: port free after {gone:.2f} s, taken by the next one")


def call_without_answer(database_url: str, attached: AttachedService) -> None:
    """Return when a job is in the middle of its call to the attached service, which does not answer."""
    attached.open.clear()
    before = len(attached.calls)
    domain.place_rows(database_url)
    attached.wait_for_calls(before + 1)


def kill_before_the_claim(worker: Process, database_url: str, _attached: AttachedService) -> None:
    worker.signal(signal.SIGSTOP)
    domain.place_rows(database_url)
    worker.signal(signal.SIGKILL)


def kill_after_the_claim(worker: Process, database_url: str, _attached: AttachedService) -> None:
    worker.signal(signal.SIGSTOP)
    domain.place_rows(database_url)
    with domain.locked(database_url):
        worker.signal(signal.SIGCONT)
        wait_until(lambda: is_somebody_locked_out(database_url))
        worker.signal(signal.SIGKILL)


def kill_in_the_middle_of_the_call(worker: Process, database_url: str, attached: AttachedService) -> None:
    call_without_answer(database_url, attached)
    worker.signal(signal.SIGKILL)


def kill_between_effect_and_acknowledgement(worker: Process, database_url: str, attached: AttachedService) -> None:
    before = len(domain.effects(database_url))
    call_without_answer(database_url, attached)
    with locked_outcomes(database_url):
        attached.open.set()
        wait_until(lambda: len(domain.effects(database_url)) > before and is_somebody_locked_out(database_url))
        worker.signal(signal.SIGKILL)


def kill_during_the_hand_back(worker: Process, database_url: str, attached: AttachedService) -> None:
    call_without_answer(database_url, attached)
    with locked_outcomes(database_url):
        worker.signal(signal.SIGTERM)
        wait_until(lambda: is_somebody_locked_out(database_url))
        worker.signal(signal.SIGKILL)


KILLS = (
    kill_before_the_claim,
    kill_after_the_claim,
    kill_in_the_middle_of_the_call,
    kill_between_effect_and_acknowledgement,
    kill_during_the_hand_back,
)


@pytest.mark.long
@pytest.mark.race
def test_jobs_of_a_killed_worker_run_again_wherever_it_was_killed(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IX.7: kill −9 at five points: none lost, each effect once, run again within 30 s."""
    settings: Environment = {"DATABASE_URL": fresh_database, domain.ATTACHED_URL: attached.url, "SHUTDOWN_SECONDS": 1}
    for kill in KILLS:
        victim = start("worker", **settings)
        victim.wait_for_event("worker started")
        kill(victim, fresh_database, attached)
        assert victim.wait() == -signal.SIGKILL, kill.__name__
    attached.open.set()

    heir = start("worker", **settings)
    seconds = wait_until(lambda: states(fresh_database, domain.TASK) == ["succeeded"] * len(KILLS), 30, "run again")

    assert len(domain.effects(fresh_database)) == len(KILLS)
    assert len({call.key for call in attached.calls}) == len(KILLS)
    assert {event["outcome"] for event in heir.events("job")} == {"succeeded"}
    assert heir.terminate() == 0
    evidence(f"{len(KILLS)} kills at five points: {len(KILLS)} effects, the last one {seconds:.1f} s later")


@pytest.mark.race
def test_a_worker_that_is_told_to_stop_finishes_its_job_and_takes_no_other(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IX.6: no drain: nothing new at once; what is in progress has SHUTDOWN_SECONDS."""
    worker = start("worker", DATABASE_URL=fresh_database, **{domain.ATTACHED_URL: attached.url})
    call_without_answer(fresh_database, attached)

    worker.signal(signal.SIGTERM)
    worker.wait_for_event("worker stopping")
    domain.place_rows(fresh_database)
    worker.signal(signal.SIGTERM)
    attached.open.set()
    code = worker.wait()

    assert code == 0
    assert states(fresh_database, domain.TASK) == ["succeeded", "todo"]
    assert worker.events()[-1]["event"] == "worker stopped"
    evidence("SIGTERM twice in the middle of a job: finished, the next one left in the queue, exit 0")


@pytest.mark.race
def test_a_job_that_outlasts_the_stop_is_handed_over(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IX.6: when SHUTDOWN_SECONDS is over another worker starts it within 5 s, and it lost no attempt."""
    settings: Environment = {"DATABASE_URL": fresh_database, domain.ATTACHED_URL: attached.url}
    first = start("worker", **settings, SHUTDOWN_SECONDS=1)
    call_without_answer(fresh_database, attached)
    second = start("worker", **settings)
    wait_until_working(fresh_database, first, second)

    began = time.monotonic()
    code = first.terminate()
    took = time.monotonic() - began
    handed_over = wait_until(lambda: len(attached.calls) == 2, 5, "started elsewhere")
    attached.open.set()
    wait_until(lambda: [event for event in second.events("job") if event["task"] == domain.TASK])

    (again,) = [event for event in second.events("job") if event["task"] == domain.TASK]
    assert code == 0
    assert 1 <= took <= 1 + 3
    assert again["attempts"] == 1
    assert len(domain.effects(fresh_database)) == 1
    evidence(f"limit 1 s: exit 0 after {took:.2f} s, started elsewhere {handed_over:.2f} s later, one effect")


@pytest.mark.race
def test_a_worker_in_a_black_hole_still_stops_in_time(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IX.5: with a job that can neither end nor be handed back."""
    line = line_to(fresh_database)
    settings: Environment = {"SHUTDOWN_SECONDS": 1, domain.ATTACHED_URL: attached.url}
    worker = start("worker", DATABASE_URL=line.through(fresh_database), **settings)
    call_without_answer(fresh_database, attached)
    line.freeze()

    began = time.monotonic()
    code = worker.terminate()
    took = time.monotonic() - began

    line.close()
    assert code == 0
    assert took <= 1 + 3
    assert b"Traceback" not in worker.output
    evidence(f"SHUTDOWN_SECONDS=1 in a black hole: exit 0 after {took:.2f} s")


@pytest.mark.race
def test_a_worker_that_was_stopped_past_its_lease_changes_nothing(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IX.8: SIGSTOP, the job runs elsewhere, SIGCONT: the late run finds itself superseded."""
    settings: Environment = {"DATABASE_URL": fresh_database, domain.ATTACHED_URL: attached.url}
    first = start("worker", **settings)
    call_without_answer(fresh_database, attached)
    first.signal(signal.SIGSTOP)
    second = start("worker", **settings)
    seconds = wait_until(lambda: len(attached.calls) == 2, 30, "run again")

    first.signal(signal.SIGCONT)  # its own call has failed meanwhile: it would put the job back that the other one has
    wait_until(lambda: [event for event in first.events("job") if event["outcome"] == "superseded"])
    held = states(fresh_database, domain.TASK)
    attached.open.set()
    domain.place_rows(fresh_database, 4)
    wait_until(lambda: states(fresh_database, domain.TASK) == ["succeeded"] * 5)

    assert held == ["doing"]
    assert len(attached.calls) == 2 + 4
    assert len(domain.effects(fresh_database)) == 5
    assert first.terminate() == second.terminate() == 0
    evidence(f"stopped, run elsewhere after {seconds:.1f} s, continued: superseded, effect once; both went on working")


@pytest.mark.race
def test_no_job_is_stuck_when_the_database_and_a_worker_disagree(
    start: Start, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS IX.7: the answer to a claim got lost; or a failover lost the worker's registration."""
    worker = start("worker", DATABASE_URL=fresh_database)
    wait_until_working(fresh_database, worker)
    worker.signal(signal.SIGSTOP)
    domain.place_rows(fresh_database)
    with psycopg.connect(fresh_database) as connection:
        holder = "(SELECT id FROM procrastinate_workers)"
        connection.execute(
            f"UPDATE procrastinate_jobs SET status = 'doing', worker_id = {holder} WHERE status = 'todo'"
        )
    worker.signal(signal.SIGCONT)
    seconds = wait_until(lambda: len(domain.effects(fresh_database)) == 1, 10, "a claim without an answer put back")

    with psycopg.connect(fresh_database) as connection:
        connection.execute("DELETE FROM procrastinate_workers")
    domain.place_rows(fresh_database)
    again = wait_until(lambda: len(domain.effects(fresh_database)) == 2, 10, "registered again")

    assert {e["attempts"] for e in worker.events("job") if e["task"] == domain.TASK} == {1}
    assert worker.terminate() == 0
    evidence(f"a claim whose answer was lost: run {seconds:.1f} s later; a forgotten worker: back after {again:.1f} s")


@pytest.mark.race
def test_a_job_that_takes_long_to_stop_is_left_alone_by_other_workers(
    start: Start, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS IX.6: a worker shows that it lives until its last job has ended, not just until it is told to stop."""
    patient: Environment = {"DATABASE_TIMEOUT_SECONDS": 60, "SHUTDOWN_SECONDS": 60}
    first = start("worker", DATABASE_URL=fresh_database, **patient)
    wait_until_working(fresh_database, first)
    first.signal(signal.SIGSTOP)
    domain.place_rows(fresh_database)
    with domain.locked(fresh_database):
        first.signal(signal.SIGCONT)
        wait_until(lambda: is_somebody_locked_out(fresh_database))
        first.signal(signal.SIGTERM)
        first.wait_for_event("worker stopping")
        job_of_a_dead_worker(fresh_database, "other")
        start("worker", DATABASE_URL=fresh_database)
        seconds = wait_until(lambda: states(fresh_database, "other") != ["doing"], 30, "the dead one's job taken over")
        meanwhile = states(fresh_database, domain.TASK)

    assert first.wait() == 0
    assert meanwhile == ["doing"]
    assert [e["outcome"] for e in first.events("job") if e["task"] == domain.TASK] == ["succeeded"]
    evidence(f"a job that ends {seconds:.0f} s after the SIGTERM: not taken over, while a dead worker's is")


@pytest.mark.long
def test_a_job_that_kills_its_worker_is_parked_and_harms_no_other(
    start: Start, fresh_database: str, attached: AttachedService, evidence: Evidence
) -> None:
    """FACTORS IX.7: five dead workers, two of them long ago, are enough. What ran beside it is done, not parked."""
    settings: Environment = {"DATABASE_URL": fresh_database, domain.ATTACHED_URL: attached.url}
    rows = domain.place_rows(fresh_database, 6)
    count_dead_workers(fresh_database, rows[2], 2)
    workers: list[Process] = []

    def kill_for_the_third(call: Call) -> int:
        time.sleep(0.1 if call.key == rows[2] else 0.5)  # so that all run at the same time
        if call.key == rows[2]:
            workers[-1].signal(signal.SIGKILL)
        return 201

    def is_settled() -> bool:
        if not workers or not workers[-1].is_running():
            workers.append(start("worker", **settings))  # as a platform does
        return set(states(fresh_database, domain.TASK)) <= {"succeeded", "failed"}

    attached.answer = kill_for_the_third
    seconds = wait_until(is_settled, 150, "all settled")

    assert states(fresh_database, domain.TASK) == ["succeeded", "succeeded", "failed", *["succeeded"] * 3]
    assert sorted(domain.effects(fresh_database)) == sorted(set(rows) - {rows[2]})
    assert len(workers) == 3 + 1
    evidence(f"parked with its 5th dead worker, {seconds:.0f} s; the 5 jobs beside it: done")


def test_every_platform_waits_longer_than_a_stop_takes(evidence: Evidence) -> None:
    """FACTORS IX.9: who kills after a while must not do so before DRAIN_SECONDS and SHUTDOWN_SECONDS are over."""
    defaults = {name: float(Settings.model_fields[name].default) for name in ("drain_seconds", "shutdown_seconds")}
    takes = [sum(defaults.values())]
    for config in (ROOT / "deploy").rglob("*.env"):
        given = dict(re.findall(r"^(DRAIN_SECONDS|SHUTDOWN_SECONDS)=([\d.]+)", config.read_text(), re.M))
        takes.append(sum(float(given.get(name.upper(), default)) for name, default in defaults.items()))
    grace = {
        ROOT / "compose.yaml": r"stop_grace_period: (\d+)s",
        **dict.fromkeys((ROOT / "deploy/systemd").glob("*@.service"), r"TimeoutStopSec=(\d+)"),
        **dict.fromkeys((ROOT / "deploy/kubernetes/base").glob("*.yaml"), r"terminationGracePeriodSeconds: (\d+)"),
    }
    waits = {path.name: float(found[1]) for path, rule in grace.items() if (found := re.search(rule, path.read_text()))}
    probe = [path.read_text() for path in (ROOT / "deploy/kubernetes/base").glob("web.yaml")]
    unready = [float(a) * float(b) for text in probe for a, b in re.findall(PROBE, text)]

    assert {"compose.yaml", "process@.service"} <= set(waits)
    assert min(waits.values()) > max(takes)
    assert all(seconds < 10 for seconds in unready), "DRAIN_SECONDS on Kubernetes"
    evidence(f"a stop takes {max(takes):g} s at most; {', '.join(f'{name} {s:g} s' for name, s in waits.items())}")
