"""Violations of factors IV to VI."""

from .mutant import mutant

CONNECTIONS, WEB, ROUTES, STORE = (
    "src/app/connections.py", "src/app/web.py", "src/app/orders/routes.py", "src/app/orders/store.py",
)  # fmt: skip
STARTED = '        log.info("web started", '
WRITE = (
    "    async with database_of(request).transaction() as connection:\n"
    "        order, _is_new = await insert_order(connection, new, idempotency_key)\n"
    "    return PlacedOrder.model_validate(order)\n"
)
SIGNATURE = "async def place_order(new: NewOrder, request: Request, idempotency_key: IdempotencyKey = None)"
WITH_TASKS = SIGNATURE.replace("(new: NewOrder,", "(new: NewOrder, tasks: BackgroundTasks,")
ENQUEUE = "        await enqueue(connection, QUEUE, FULFIL_ORDER, order_id=str(placed.id))\n"
IMPORT_TASKS = (
    ROUTES,
    "from fastapi import APIRouter,",
    "import asyncio\nfrom fastapi import APIRouter, BackgroundTasks,",
)

MUTANTS = (
    mutant(
        "one spelling of the URL only",
        4,
        "the_database_is_swapped_by_its_url_alone",
        ("src/app/urls.py", 'url.startswith(("postgresql://", "postgres://"))', 'url.startswith("postgresql://")'),
    ),
    mutant(
        "start-up fails without the database",
        4,
        "a_database_that_is_away_at_start_may_come_later",
        (WEB, STARTED, f"        await database.require_schema()\n{STARTED}"),
    ),
    mutant(
        "an outage is a 500",
        4,
        "a_restarted_server_is_used_again",
        (
            "src/app/problems.py",
            "    DatabaseUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, RETRY_AFTER),",
            "    DatabaseUnavailable: (HTTPStatus.INTERNAL_SERVER_ERROR, {}),",
        ),
    ),
    mutant(
        "a connection that died in the pool is a 500 for whoever gets it",
        4,
        "killed_sessions_cost_no_more_than_the_requests_they_served",
        (
            "src/app/database.py",
            '        event.listen(self._reading.sync_engine, "checkout", refuse_closed_connection)\n',
            "",
        ),
        (CONNECTIONS, "    except (OperationalError, InterfaceError) as error:", "    except InterfaceError as error:"),
    ),
    mutant(
        "a time limit that psycopg does not obey",
        4,
        "a_database_that_hangs_holds_nobody_longer_than_the_limit",
        (CONNECTIONS, ".call_at(deadline, _shut_down, connection)", ".call_at(deadline + 60, _shut_down, connection)"),
    ),
    mutant(
        "liveness pings the database",
        4,
        "a_database_that_hangs_holds_nobody_longer_than_the_limit",
        (
            "src/app/health.py",
            "async def livez() -> Status:\n",
            "async def livez(request: Request) -> Status:\n    await request.app.state.database.require_schema()\n",
        ),
    ),
    mutant(
        "the password is read at start only",
        4,
        "a_rotated_password_needs_no_restart",
        (
            CONNECTIONS,
            '    @event.listens_for(engine, "do_connect")',
            "    fixed = connection_parameters(settings, process, **options)\n\n"
            '    @event.listens_for(engine, "do_connect")',
        ),
        (
            CONNECTIONS,
            "parameters.update(connection_parameters(settings, process, **options))",
            "parameters.update(fixed)",
        ),
    ),
    mutant(
        "statistics go to an address that nobody configured",
        4,
        "connections_go_where_the_configuration_says",
        (
            WEB,
            STARTED,
            "        import socket\n\n        statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f'        statsd.connect(("127.0.0.1", 8125))\n{STARTED}',
        ),
        (WEB, '        log.info("web stopped")', '        statsd.close()\n        log.info("web stopped")'),
    ),
    mutant(
        "a worker that gives up when its database is away",
        4,
        "a_worker_waits_for_a_database_that_is_away_at_start",
        (
            "src/app/worker.py",
            '                log.warning("waiting for the database", reason=str(error), cause=error.cause)',
            "                raise",
        ),
    ),
    mutant(
        "an attached service's outage parks the job",
        4,
        "an_attached_service_that_fails_delays_what_it_is_asked_for",
        (
            "src/app/orders/fulfilment.py",
            '            raise FulfilmentUnavailable(f"The fulfilment service answered {status}.")',
            '            raise FulfilmentRefused(f"The fulfilment service answered {status}.")',
        ),
    ),
    mutant(
        "a refusal is repeated for ever",
        4,
        "a_job_that_the_attached_service_refuses_is_parked",
        (
            "src/app/orders/fulfilment.py",
            "class FulfilmentRefused(PermanentFailure)",
            "class FulfilmentRefused(TemporaryFailure)",
        ),
    ),
    mutant(
        "a connection is held while another service takes its time",
        4,
        "an_attached_service_that_is_away_or_hangs_holds_up_nothing_else",
        (
            "src/app/orders/jobs.py",
            "    if placed is not None:\n        await service.fulfil(",
            "        if placed is not None:\n            await service.fulfil(",
        ),
    ),
    mutant(
        "a connection that hangs is closed on our side only",
        4,
        "a_hung_database_is_used_again_when_it_is_back",
        (CONNECTIONS, "duplicate.shutdown(socket.SHUT_RDWR)", "duplicate.close()"),
    ),
    mutant(
        "an outcome that cannot be written is given up, and nobody looks for it",
        4,
        "a_job_whose_end_falls_into_an_outage_has_its_effect_after_it",
        ("src/app/job_runs.py", "                await asyncio.sleep(RETRY_SECONDS)", "                raise"),
        ("src/app/rescue.py", "lost = await self._put_back_lost(connection, worker_id)", "lost: set[int] = set()"),
    ),
    mutant(
        "a worker ends with its first failed query",
        4,
        "a_worker_outlives_killed_sessions_and_a_restarted_server",
        (
            "src/app/worker.py",
            "        except DatabaseUnavailable as error:\n            if str(error) != last_reason:",
            "        except ZeroDivisionError as error:\n            if str(error) != last_reason:",
        ),
        (
            "src/app/job_queue.py",
            "            self._note_reachable(False, str(error), error.cause)\n            return None",
            "            raise",
        ),
    ),
    mutant(
        "web migrates when it starts",
        5,
        "web_waits_for_the_schema_and_never_makes_it",
        (WEB, STARTED, f"        from app.migrate import migrate\n\n        migrate(settings)\n{STARTED}"),
    ),
    mutant(
        "a worker that does not ask which schema it has",
        5,
        "a_worker_waits_for_the_schema_that_it_needs",
        ("src/app/worker.py", "await parts.database.require_schema()", "pass"),
    ),
    mutant(
        "any schema will do",
        5,
        "an_older_schema_is_refused_and_a_newer_one_served",
        ("src/app/database.py", "if revision is None or revision < REQUIRED_REVISION:", "if revision is None:"),
    ),
    mutant(
        "only the schema of this very release will do",
        5,
        "the_old_release_serves_on_the_new_schema",
        (
            "src/app/database.py",
            "if revision is None or revision < REQUIRED_REVISION:",
            "if revision is None or revision != REQUIRED_REVISION:",
        ),
    ),
    mutant(
        "each statement of a migration commits by itself",
        5,
        "a_failing_migration_leaves_the_old_release_serving",
        (
            "src/app/migrate.py",
            "    with engine.begin() as connection:",
            '    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:',
        ),
    ),
    mutant(
        "events do not say which release",
        5,
        "the_release_is_in_every_event",
        ("src/app/logs.py", '"release": release, "process"', '"release": "unreleased", "process"'),
    ),
    mutant(
        "state in a module global",
        6,
        "two_replicas_are_one_service",
        (
            ROUTES,
            'router = APIRouter(prefix="/orders"',
            'SEEN: dict[str | None, PlacedOrder] = {}\n\nrouter = APIRouter(prefix="/orders"',
        ),
        (
            ROUTES,
            WRITE,
            "    if idempotency_key in SEEN:\n        return SEEN[idempotency_key]\n"
            + WRITE.replace("idempotency_key)", "None)").replace(
                "return PlacedOrder.model_validate(order)",
                "SEEN[idempotency_key] = PlacedOrder.model_validate(order)\n    return SEEN[idempotency_key]",
            ),
        ),
    ),
    mutant(
        "acknowledge first, store later",
        6,
        "a_kill_of_everything_loses_nothing_acknowledged",
        IMPORT_TASKS,
        (ROUTES, SIGNATURE, WITH_TASKS),
        (
            ROUTES,
            WRITE,
            "    async def commit_later() -> None:\n"
            "        await asyncio.sleep(0.1)\n"
            "        await transaction.__aexit__(None, None, None)\n\n"
            "    transaction = database_of(request).transaction()\n"
            "    connection = await transaction.__aenter__()\n"
            "    order, _is_new = await insert_order(connection, new, idempotency_key)\n"
            "    tasks.add_task(commit_later)\n"
            "    return PlacedOrder.model_validate(order)\n",
        ),
    ),
    mutant(
        "commit after the response",
        6,
        "a_commit_that_fails_is_no_201",
        IMPORT_TASKS,
        (ROUTES, SIGNATURE, WITH_TASKS),
        (
            ROUTES,
            WRITE,
            "    transaction = database_of(request).transaction()\n"
            "    connection = await transaction.__aenter__()\n"
            "    order, _is_new = await insert_order(connection, new, idempotency_key)\n"
            "    tasks.add_task(transaction.__aexit__, None, None, None)\n"
            "    return PlacedOrder.model_validate(order)\n",
        ),
    ),
    mutant(
        "look whether the key is there, then insert",
        6,
        "a_hundred_racing_retries_write_one_row",
        (STORE, "import base64\n", "import asyncio\nimport base64\n"),
        (
            STORE,
            "insert(Order).on_conflict_do_nothing(index_elements=[Order.idempotency_key]).returning(*COLUMNS)",
            "insert(Order).returning(*COLUMNS)",
        ),
        (
            STORE,
            "    placed = (await connection.execute(INSERT_ORDER, values)).one_or_none()\n",
            '    earlier = (await connection.execute(ORDER_BY_KEY, {"key": key})).one_or_none()\n'
            "    await asyncio.sleep(0.1)  # asks somebody for the price\n"
            "    placed = None if earlier else (await connection.execute(INSERT_ORDER, values)).one_or_none()\n",
        ),
    ),
    mutant(
        "BackgroundTasks for work that must not be lost",
        6,
        "a_job_outlives_the_process_that_enqueued_it",
        IMPORT_TASKS,
        (ROUTES, SIGNATURE, WITH_TASKS),
        (STORE, ENQUEUE, ""),
        (
            ROUTES,
            WRITE,
            WRITE.replace(
                "    return",
                "    from app.orders.jobs import _mark_fulfilled\n\n"
                "    tasks.add_task(asyncio.sleep, 1)\n"
                "    tasks.add_task(_mark_fulfilled, database_of(request), order.id)\n    return",
            ),
        ),
    ),
    mutant(
        "the job is enqueued beside the transaction",
        6,
        "a_row_that_is_rolled_back_leaves_no_job",
        (STORE, ENQUEUE, ""),
        (
            ROUTES,
            WRITE,
            WRITE.replace(
                "    return",
                "        from app.jobs import enqueue\n\n"
                "        async with database_of(request).reading() as queue:\n"
                '            await enqueue(queue, "orders", "fulfil_order", order_id=str(order.id))\n    return',
            ),
        ),
    ),
)
