"""Violations of factors VII to IX."""

from .backing_to_processes import ROUTES, WRITE
from .mutant import mutant

SERVER, LISTENER, LIMITS, MIDDLEWARE = (
    "src/app/server.py", "src/app/listener.py", "src/app/limits.py", "src/app/middleware.py",
)  # fmt: skip
WORKER, RESCUE, RUNS = "src/app/worker.py", "src/app/rescue.py", "src/app/job_runs.py"
A_SECOND_SOCKET = (
    "    import http.server\n    import threading\n\n"
    '    metrics = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)\n'
    "    threading.Thread(target=metrics.serve_forever, daemon=True).start()\n"
)
# Three limits stand behind each other, so a violation takes all of them away.
NO_LIMITS_OF_A_STOP = (
    (SERVER, "timeout_graceful_shutdown=settings.shutdown_seconds,  #", "timeout_graceful_shutdown=None,  #"),
    (SERVER, "        end_by_deadline(settings.drain_seconds + settings.shutdown_seconds)\n", ""),
    (LIMITS, "asyncio.timeout(self._timeout_seconds)", "asyncio.timeout(None)"),
)

MUTANTS = (
    mutant(
        "a second socket that nobody declared",
        7,
        "it_listens_on_its_port_and_on_nothing_else",
        (SERVER, "    with bound_socket(", f"{A_SECOND_SOCKET}    with bound_socket("),
    ),
    mutant(
        "a taken port is a traceback",
        7,
        "a_taken_port_is_a_clear_error",
        (LISTENER, "    except OSError as error:", "    except PermissionError as error:"),
    ),
    mutant(
        "port 0 is taken for a port",
        7,
        "a_port_that_is_none_is_refused",
        ("src/app/settings.py", "Field(8000, ge=1, le=65535", "Field(8000, ge=0, le=65535"),
    ),
    mutant(
        "HEAD is not allowed",
        7,
        "http_is_right_without_a_proxy_in_front",
        (MIDDLEWARE, 'inner = dict(scope, method="GET") if is_head else scope', "inner = scope"),
    ),
    mutant(
        "the limit of a body believes Content-Length",
        7,
        "a_chunked_body_over_the_limit_is_refused_before_it_is_read",
        (LIMITS, "            if received_bytes > self._max_bytes:", "            if False:"),
    ),
    mutant(
        "X-Forwarded-For is believed whoever sends it",
        7,
        "forwarded_headers_are_believed_from_trusted_proxies_only",
        (SERVER, "forwarded_allow_ips=settings.forwarded_allow_ips", 'forwarded_allow_ips="*"'),
    ),
    mutant(
        "NUL goes through to the database",
        7,
        "hostile_input_is_the_clients_fault",
        ("src/app/orders/schemas.py", '    if "\\x00" in text:', "    if False:"),
    ),
    mutant(
        "probes stand in line with requests",
        7,
        "more_requests_than_fit_get_503_and_probes_their_answer",
        (LIMITS, 'if scope["type"] != "http" or scope["path"] in PROBES:', 'if scope["type"] != "http":'),
    ),
    mutant(
        "uvicorn's own limit, which counts connections",
        7,
        "slow_and_silent_clients_do_not_stop_others",
        (SERVER, "        access_log=False,\n", "        access_log=False,\n        limit_concurrency=100,\n"),
    ),
    mutant(
        "all addresses, whatever HOST says",
        7,
        "another_address_is_another_hosts_matter",
        (LISTENER, "listener.bind((host, port))", 'listener.bind(("", port))'),
    ),
    mutant(
        "a worker that opens a port for its metrics",
        7,
        "a_worker_listens_on_nothing",
        (WORKER, "    asyncio.run(work(settings))", f"{A_SECOND_SOCKET}    asyncio.run(work(settings))"),
    ),
    mutant(
        "the other service's address is in the code",
        7,
        "one_service_is_a_backing_service_of_another_by_its_url_alone",
        ("src/app/orders/fulfilment.py", "base_url=url,", 'base_url="http://127.0.0.1:1",'),
    ),
    mutant(
        "supervisord starts it all in one",
        8,
        "the_formation_is_declared_once",
        ("Procfile", "web: exec python -I -m app web", "web: supervisord --nodaemon"),
    ),
    mutant(
        "web does the worker's work",
        8,
        "each_process_type_works_without_the_other",
        (
            ROUTES,
            WRITE,
            WRITE.replace(
                "    return",
                "    from app.orders.jobs import _mark_fulfilled\n\n"
                "    await _mark_fulfilled(database, order.id)\n    return",
            ),
        ),
    ),
    mutant(
        "a lock file: one worker at a time",
        8,
        "four_workers_take_a_fraction_of_the_time_of_one",
        (
            WORKER,
            "    asyncio.run(work(settings))",
            '    import fcntl\n\n    lock = open(f"/tmp/{os.getuid()}-worker.lock", "w")\n'
            "    fcntl.flock(lock, fcntl.LOCK_EX)\n    asyncio.run(work(settings))",
        ),
    ),
    mutant(
        "one job at a time, whatever WORKER_CONCURRENCY says",
        8,
        "a_worker_takes_as_many_jobs_at_once_as_it_is_told",
        (WORKER, "concurrency=settings.worker_concurrency,\n            fetch", "concurrency=1,\n            fetch"),
    ),
    mutant(
        "a pid file",
        8,
        "nothing_outlives_a_killed_parent",
        (
            WORKER,
            "    asyncio.run(work(settings))",
            '    with open("worker.pid", "w") as file:\n        file.write("1")\n    asyncio.run(work(settings))',
        ),
    ),
    mutant(
        "a scheduler in every process",
        8,
        "periodic_work_is_done_once_however_many_workers_there_are",
        (
            "src/app/job_queue.py",
            "return await super().defer_periodic_job(job, periodic_id, defer_timestamp)",
            "return (await self.defer_job_async(job)).id",
        ),
    ),
    mutant(
        "a connection for each job",
        8,
        "a_worker_keeps_to_its_connections",
        ("src/app/database.py", "pool_size=settings.database_pool_size,", "pool_size=20,"),
    ),
    mutant(
        "a warm-up before the first request",
        9,
        "it_is_ready_within_three_seconds",
        (
            "src/app/web.py",
            '        log.info("web started", ',
            '        import asyncio\n\n        await asyncio.sleep(4)\n        log.info("web started", ',
        ),
    ),
    mutant(
        "the listener is closed at once",
        9,
        "a_stop_behind_a_balancer_fails_no_request",
        (SERVER, "loop.call_later(settings.drain_seconds, stop, signum, None)", "loop.call_soon(stop, signum, None)"),
    ),
    mutant(
        "ready until the end",
        9,
        "a_rolling_replacement_fails_no_request",
        ("src/app/health.py", "        if self.is_draining:", "        if False:"),
    ),
    mutant(
        "a drain for those who want none",
        9,
        "without_a_drain_the_listener_closes_at_once",
        (SERVER, "loop.call_later(settings.drain_seconds, stop,", "loop.call_later(5 + settings.drain_seconds, stop,"),
    ),
    mutant(
        "a second SIGTERM is taken for impatience",
        9,
        "more_signals_change_nothing",
        (
            SERVER,
            "            return  # once more, or to the whole group: it changes nothing",
            "            os._exit(1)",
        ),
    ),
    mutant(
        "Ctrl-C is a crash",
        9,
        "sigint_stops_without_a_drain",
        (
            SERVER,
            "    except KeyboardInterrupt:\n        return 0",
            "    except KeyboardInterrupt:\n        return 130",
        ),
    ),
    mutant(
        "SIGTERM is answered once everything is imported",
        9,
        "sigterm_during_start_up_ends_it",
        ("src/app/__main__.py", "    signal.signal(signal.SIGTERM, exit_on_sigterm)\n", ""),
        (
            "src/app/__main__.py",
            "    return run(sys.argv[1:])\n",
            "    signal.signal(signal.SIGTERM, exit_on_sigterm)\n    return run(sys.argv[1:])\n",
        ),
    ),
    mutant(
        "a stop waits for every client",
        9,
        "a_client_that_never_reads_does_not_hold_up_a_stop",
        *NO_LIMITS_OF_A_STOP,
    ),
    mutant(
        "a stop waits for the database",
        9,
        "requests_in_a_black_hole_do_not_hold_up_a_stop",
        *NO_LIMITS_OF_A_STOP,
    ),
    mutant(
        "children outlive their parent",
        9,
        "a_killed_parent_leaves_no_orphan_on_the_port",
        (SERVER, "    _end_with_parent()\n    sys.exit", "    sys.exit"),
    ),
    mutant(
        "no rescue of a dead worker's jobs",
        9,
        "jobs_of_a_killed_worker_run_again_wherever_it_was_killed",
        (
            RESCUE,
            "rescued = await self._rescue(connection) if self._has_been_in_contact() else []",
            "rescued: list[Any] = []",
        ),
    ),
    mutant(
        "whatever ran beside a poison job is parked with it",
        9,
        "a_job_that_kills_its_worker_is_parked_and_harms_no_other",
        ("src/app/job_outcomes.py", "MAX_ATTEMPTS = 5", "MAX_ATTEMPTS = 1"),
    ),
    mutant(
        "the heartbeat ends when a stop begins",
        9,
        "a_job_that_takes_long_to_stop_is_left_alone_by_other_workers",
        (WORKER, ".run_until(has_stopped)", ".run_until(stopping)"),
    ),
    mutant(
        "a worker that does not compare what it holds with what it runs",
        9,
        "no_job_is_stuck_when_the_database_and_a_worker_disagree",
        (RESCUE, "lost = await self._put_back_lost(connection, worker_id)", "lost: set[int] = set()"),
    ),
    mutant(
        "SIGTERM ends a worker in the middle of its job",
        9,
        "a_worker_that_is_told_to_stop_finishes_its_job_and_takes_no_other",
        (
            WORKER,
            "    loop.add_signal_handler(signal.SIGTERM, stop)",
            "    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)",
        ),
    ),
    mutant(
        "a job that a stop interrupts is left to the rescue",
        9,
        "a_job_that_outlasts_the_stop_is_handed_over",
        (RUNS, '                return Outcome(name="handed_back", counted=0)', "                raise"),
    ),
    mutant(
        "a worker waits for its jobs as long as they take",
        9,
        "a_job_that_outlasts_the_stop_is_handed_over",
        (WORKER, "shutdown_graceful_timeout=settings.shutdown_seconds,", "shutdown_graceful_timeout=3600,"),
    ),
    mutant(
        "no hard deadline over a stop of worker",
        9,
        "a_worker_in_a_black_hole_still_stops_in_time",
        (WORKER, "        end_by_deadline(settings.shutdown_seconds + HAND_BACK_SECONDS)\n", ""),
    ),
    mutant(
        "whoever ran the job writes its outcome",
        9,
        "a_worker_that_was_stopped_past_its_lease_changes_nothing",
        (
            RUNS,
            "WHERE id = :job_id AND status = 'doing' AND worker_id = :worker_id AND attempts = :attempts",
            "WHERE id = :job_id",
        ),
    ),
)
