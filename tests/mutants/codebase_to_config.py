"""Violations of factors I to III."""

from .mutant import mutant

IDENTITY, SETTINGS, CLI = "src/app/identity.py", "src/app/settings.py", "src/app/cli.py"

MUTANTS = (
    mutant(
        "git ignores a file that ships",
        1,
        "everything_that_the_build_needs_is_in_the_one_repository",
        (".gitignore", "dist/\n", "dist/\n*.sql\n"),
    ),
    mutant(
        "a template tag is left to be filled in",
        1,
        "no_template_tag_is_left",
        ("src/app/motd.txt", "", "Welcome to {{ cookiecutter.project_name }}\n"),
    ),
    mutant(
        "the release is a constant of the code",
        1,
        "a_process_tells_its_commit_and_its_release",
        ("src/app/health.py", "release=settings.release", "release=service_version()"),
    ),
    mutant(
        "the commit is cut to twelve characters, and -dirty with it",
        1,
        "a_build_from_a_dirty_tree_says_so",
        (IDENTITY, 'stamp.read_text().strip() or "unknown"', 'stamp.read_text().strip()[:12] or "unknown"'),
    ),
    mutant(
        "a settings file for each deploy",
        1,
        "no_deploy_has_a_file_or_a_branch_of_its_own",
        ("src/app/settings_production.py", "", '"""Settings of production."""\n'),
    ),
    mutant(
        "an import of what another dependency happens to bring",
        2,
        "every_import_is_declared_and_every_declaration_is_used",
        ("src/app/loops.py", "", "import anyio\n\nrun = anyio.run\n"),
    ),
    mutant(
        "a dependency is declared and not locked",
        2,
        "the_lock_fits_the_manifest",
        ("pyproject.toml", '    "httpx>=0.28",\n', '    "httpx>=0.28",\n    "requests>=2",\n'),
    ),
    mutant(
        "started without isolation",
        2,
        "what_lies_around_does_not_get_in",
        ("Procfile", "web: exec python -I -m app web", "web: exec python -m app web"),
    ),
    mutant(
        "the running service calls git",
        2,
        "no_program_is_executed_from_start_to_stop",
        (IDENTITY, "from functools import cache\n", "import subprocess\nfrom functools import cache\n"),
        (
            IDENTITY,
            '    return _checkout_head(_PACKAGE.parent.parent / ".git") or "unknown"',
            '    return subprocess.getoutput("git rev-parse HEAD")',
        ),
    ),
    mutant(
        "a configuration error is a traceback",
        3,
        "a_bad_configuration_is_refused_before_anything_happens",
        (SETTINGS, "        raise ConfigurationError(problems) from None", "        raise"),
    ),
    mutant(
        "the first bad variable is named, the others are not",
        3,
        "a_bad_configuration_is_refused_before_anything_happens",
        (SETTINGS, "for e in error.errors()}", "for e in error.errors()[:1]}"),
    ),
    mutant(
        "config prints the database's URL as it is",
        3,
        "no_output_holds_a_secret",
        (
            "src/app/settings_report.py",
            'values["database_url"] = without_password(settings.database_url.get_secret_value())',
            'values["database_url"] = settings.database_url.get_secret_value()',
        ),
    ),
    mutant(
        "start-up says which database it uses, password and all",
        3,
        "no_output_holds_a_secret",
        (
            "src/app/web.py",
            '        log.info("web started", ',
            '        log.info("web started", database=settings.database_url.get_secret_value(), ',
        ),
    ),
    mutant(
        "the app reads .env",
        3,
        "files_and_foreign_variables_change_nothing",
        (SETTINGS, 'extra="ignore", frozen=True)', 'extra="ignore", frozen=True, env_file=".env")'),
        (
            SETTINGS,
            "        return init_settings, env_settings",
            "        return init_settings, env_settings, dotenv_settings",
        ),
    ),
    mutant(
        "libpq's own variables get in",
        3,
        "files_and_foreign_variables_change_nothing",
        (CLI, "    forget_libpq_variables()\n", ""),
    ),
    mutant(
        "variable names in any case",
        3,
        "files_and_foreign_variables_change_nothing",
        (SETTINGS, "case_sensitive=True", "case_sensitive=False"),
    ),
    mutant(
        "nobody looks for misspelt variables",
        3,
        "a_misspelt_variable_is_warned_about",
        (CLI, "    for name, meant in misspelt_variables().items():", "    for name, meant in ():"),
    ),
    mutant(
        "a module reads the environment for itself",
        3,
        "the_environment_is_read_in_one_module_only",
        (IDENTITY, "from functools import cache\n", "import os\nfrom functools import cache\n"),
        (IDENTITY, "SERVICE = (", 'SERVICE = os.environ.get("SERVICE_NAME") or ('),
    ),
    mutant(
        "code that asks which environment this is",
        3,
        "no_code_knows_a_deploys_name",
        (
            "src/app/web.py",
            "    app = FastAPI(title=SERVICE,",
            '    app = FastAPI(docs_url=None if settings.release == "production" else "/docs", title=SERVICE,',
        ),
    ),
    mutant(
        "a default password: changethis",
        3,
        "no_secret_and_no_resource_has_a_default",
        (SETTINGS, "    database_url: PostgresUrl = Field(", "    database_url: PostgresUrl = Field(_DEFAULT, "),
        (
            SETTINGS,
            "class Settings(_FromEnvironment):",
            "from pydantic import SecretStr  # noqa: E402\n\n"
            '_DEFAULT = SecretStr("postgresql://app:changethis@127.0.0.1/app")\n\n\nclass Settings(_FromEnvironment):',
        ),
    ),
    mutant(
        "a setting that .env.example forgets",
        3,
        "what_is_documented_is_what_can_be_set",
        (".env.example", "# LOG_LEVEL=info\n", ""),
    ),
    mutant(
        "debug means more than verbosity",
        3,
        "each_variable_sets_its_own_value_and_no_other",
        (
            SETTINGS,
            '        if "SHUTDOWN_SECONDS" in values and',
            '        if values.get("LOG_LEVEL") == "debug":\n            values = values | {"DRAIN_SECONDS": "0"}\n'
            '        if "SHUTDOWN_SECONDS" in values and',
        ),
    ),
    mutant(
        "one port for all deploys of a machine",
        3,
        "two_deploys_of_one_build_run_side_by_side",
        ("src/app/server.py", "bound_socket(settings.host, settings.port)", "bound_socket(settings.host, 8000)"),
    ),
)
