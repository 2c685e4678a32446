"""Violations that show in the image: they need a container engine, without which their checks are skipped."""

from .mutant import mutant

DOCKERFILE = "Dockerfile"
COPIED = "COPY --from=build /app /app\n"
PATH = "ENV PATH=/app/bin:$PATH\n"
ENTRYPOINT = 'ENTRYPOINT ["python", "-I", "-m", "app"]'

MUTANTS = (
    mutant(
        "the installer stays in the image",
        2,
        "the_image_holds_no_tool_of_its_making",
        (DOCKERFILE, COPIED, COPIED + "COPY --from=build /usr/local/bin/uv /usr/local/bin/uv\n"),
    ),
    mutant(
        "a database built in",
        3,
        "the_image_without_a_configuration_says_what_it_needs",
        (DOCKERFILE, PATH, "ENV PATH=/app/bin:$PATH DATABASE_URL=postgresql://app@localhost/app\n"),
    ),
    mutant(
        "a setting built in",
        5,
        "the_build_is_told_its_commit_and_no_setting",
        (DOCKERFILE, PATH, "ENV PATH=/app/bin:$PATH LOG_LEVEL=info\n"),
    ),
    mutant(
        "the build's system is shipped along",
        5,
        "the_image_is_small",
        (DOCKERFILE, COPIED, COPIED + "COPY --from=build /usr /usr/local/build\n"),
    ),
    mutant(
        "the process owns its code",
        5,
        "the_code_cannot_change_where_it_runs",
        (DOCKERFILE, COPIED, "COPY --from=build --chown=10001:10001 /app /app\n"),
    ),
    mutant(
        "an image for one schema only",
        5,
        "the_previous_image_serves_whatever_becomes_of_a_migration",
        ("src/app/database.py", "revision < REQUIRED_REVISION", "revision != REQUIRED_REVISION"),
    ),
    mutant(
        "a note on the disk at each start",
        6,
        "the_image_needs_nothing_to_write_to",
        (
            "src/app/web.py",
            "        yield\n",
            "        __import__('pathlib').Path('/tmp/started').touch()\n        yield\n",
        ),
    ),
    mutant(
        "an address that only the container itself reaches",
        7,
        "the_image_listens_on_its_port_and_on_nothing_else",
        ("src/app/settings.py", 'Field("0.0.0.0", description="address', 'Field("127.0.0.1", description="address'),
    ),
    mutant(
        "a shell as PID 1",
        9,
        "a_stop_of_the_image_fails_no_request",
        (DOCKERFILE, ENTRYPOINT, 'ENTRYPOINT ["sh", "-c", "python -I -m app \\"$@\\"; exit $?", "app"]'),
    ),
    mutant(
        "a shell as PID 1 of every replica",
        9,
        "a_rolling_replacement_of_the_image_fails_no_request",
        (DOCKERFILE, ENTRYPOINT, 'ENTRYPOINT ["sh", "-c", "python -I -m app \\"$@\\"; exit $?", "app"]'),
    ),
    mutant(
        "events go into a file",
        11,
        "consumers_come_and_go",
        (
            "src/app/stream.py",
            "os.write(self._descriptor, line)",
            "os.write(os.open('/dev/shm/events', os.O_WRONLY | os.O_CREAT | os.O_APPEND), line)",
        ),
    ),
    mutant(
        "an image that can only serve",
        12,
        "one_offs_run_from_the_image_that_serves",
        (DOCKERFILE, ENTRYPOINT, 'ENTRYPOINT ["python", "-I", "-m", "app", "web"]'),
        (DOCKERFILE, '\nCMD ["web"]', "\nCMD []"),
    ),
)
