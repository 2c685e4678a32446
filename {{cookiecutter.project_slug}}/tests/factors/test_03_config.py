"""III. Config: everything that differs between deploys comes from the environment, and nothing else decides."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import make_url

from app.settings import SeedSettings, Settings, known_variables
from tests.conftest import ROOT
from tests.factors import domain
from tests.factors.conftest import Evidence, Start
from tests.factors.tools import APP, HOST, SURROUNDINGS, Line, wait_until

COMMANDS = ("web", "worker", "migrate", "seed", "console", "config", "jobs")
SOURCES = sorted((ROOT / "src" / "app").rglob("*.py"))
PASSWORD = "s3cr3t@:/%marker"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_configuration_is_refused_before_anything_happens(
    command: str, start: Start, line: Line, database: str, evidence: Evidence
) -> None:
    """FACTORS III.1: missing, empty, malformed, all at once: exit 78 within 2 s, one line that names every one."""
    good_url = line.through(database)
    cases: dict[str, dict[str, str]] = {
        "missing": {},
        "all at once": {
            "DATABASE_URL": f"mysql://user:{PASSWORD}@127.0.0.1/app",
            "PORT": "70000",
            "DRAIN_SECONDS": "inf",
            "LOG_LEVEL": "loud",
        },
    }
    if command == "web":
        cases["empty"] = {"DATABASE_URL": ""}
        cases["another one"] = {"DATABASE_URL": good_url, "DATABASE_POOL_SIZE": "many"}
    took = []

    for case, settings in cases.items():
        process = start(command, **settings)
        took.append(process.seconds_until_its_end())

        assert process.wait() == 78, case
        assert len(process.lines) == 1, "one line"
        problems = process.events()[0]["problems"]
        expected = {name for name in settings if settings[name] != good_url} or {"DATABASE_URL"}
        assert set(problems) == expected, f"{case}: names every bad variable and no other"
        assert PASSWORD.encode() not in process.output, "values are never printed"
        assert b"Traceback" not in process.output
        assert process.stderr == b""
    assert line.accepted == 0, "no connection is attempted"
    assert max(took) <= 2
    evidence(f"`{command}`: {len(cases)} bad configurations, exit 78, one line each, after {max(took):.2f} s at most")


@pytest.fixture
def secret_role(cluster: str, database: str) -> Iterator[str]:
    """The database's URL with a role whose password would be found anywhere."""
    role = f"keeper_{make_url(database).database}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(Identifier(role), Literal(PASSWORD))
        )
        yield make_url(database).set(username=role, password=PASSWORD).render_as_string(hide_password=False)
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
        connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))


def test_no_output_holds_a_secret(start: Start, secret_role: str, tmp_path: Path, evidence: Evidence) -> None:
    """FACTORS III.2: neither events nor answers, reports, reprs or crashes tell the password, however it is written."""
    url = make_url(secret_role)
    (tmp_path / "password").write_text(PASSWORD)
    with_file = url.set(password="overridden-s3cr3t").render_as_string(hide_password=False)
    wrong = url.set(password=PASSWORD + "-but-wrong").render_as_string(hide_password=False)
    refused = url.set(port=1).render_as_string(hide_password=False)
    script = b"print(settings, repr(settings), settings.model_dump_json(), session.bind); raise ValueError(settings)"
    webs = [
        start("web", DATABASE_URL=value, LOG_LEVEL="debug", DRAIN_SECONDS=0, **more)
        for value, more in (
            (secret_role, {}), (wrong, {}), (refused, {}),
            (with_file, {"DATABASE_PASSWORD_FILE": str(tmp_path / "password")}),
        )
    ]  # fmt: skip
    outputs: list[bytes] = []

    for web in webs:
        web.wait_until_alive()
        for path in ("/readyz", "/version", "/openapi.json", "/nowhere", domain.COLLECTION, f"{domain.COLLECTION}/x"):
            answer = web.ask("GET", path)
            outputs += [answer.body, repr(answer.headers).encode()]
        web.terminate()
    for command, value in (
        ("config", secret_role),
        ("migrate", secret_role),
        ("seed", wrong),
        ("console", secret_role),
    ):
        settings = {**SURROUNDINGS, "DATABASE_URL": value, "LOG_LEVEL": "debug", "DATABASE_TIMEOUT_SECONDS": "1"}
        done = subprocess.run(
            [*APP, command], env=settings, input=script, capture_output=True, timeout=60, cwd=tmp_path
        )
        outputs += [done.stdout, done.stderr]
    outputs += [stream for web in webs for stream in (web.output, web.stderr)]

    text = b"\n".join(outputs)
    written = (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD), json.dumps(PASSWORD)[1:-1], "s3cr3t")
    assert [form for form in written if form.encode() in text] == []
    assert webs[0].events("request"), "the events were there to be searched"
    evidence(f"{len(text)} bytes of output searched for {len(written)} spellings of the password: none")


def test_files_and_foreign_variables_change_nothing(
    start: Start, database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS III.3: a `.env` or `settings.toml` beside it, `UVICORN_*` and `PG*` decide nothing."""
    foreign = make_url(database)
    bad = {"PORT": "1", "LOG_LEVEL": "debug", "RELEASE": "from-a-file", "DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in bad.items()))
    (tmp_path / "settings.toml").write_text("".join(f'{name} = "{value}"\n' for name, value in bad.items()))
    (tmp_path / "secrets").mkdir()
    for name, value in bad.items():
        (tmp_path / "secrets" / name).write_text(value)
    strangers = {"UVICORN_PORT": "1", "UVICORN_LOG_LEVEL": "trace", "UVICORN_WORKERS": "3", "WEB_RELOAD": "1"}
    libpq = {"PGHOST": "127.0.0.9", "PGPORT": "1", "PGDATABASE": "none", "PGOPTIONS": "-c search_path=nowhere",
             "PGSERVICE": "none", "PGSSLMODE": "verify-full"}  # fmt: skip

    web = start("web", DATABASE_URL=database, **strangers, **libpq, release="lower-case")
    web.wait_until_ready()
    answer = web.ask(*domain.write_request())

    assert answer.status == 201, f"the database is the URL's: {foreign.database}"
    assert {event["release"] for event in web.events()} == {"unreleased"}
    assert not [event for event in web.events() if event["level"] == "debug"]
    evidence(f"3 files, {len(strangers) + len(libpq)} foreign variables: no effect")


def test_a_misspelt_variable_is_warned_about(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS III.3: a setting that is spelt wrongly would silently be its default."""
    wrong = {"DATABASE_POOLSIZE": "20", "DRAIN_SECOND": "1"}

    web = start("web", DATABASE_URL=database, **wrong, DATABASE_PORT="tcp://10.0.0.1:5432")
    web.wait_until_alive()

    warned = {event["variable"]: event["meant"] for event in web.events() if event["level"] == "warning"}
    assert warned == {"DATABASE_POOLSIZE": "DATABASE_POOL_SIZE", "DRAIN_SECOND": "DRAIN_SECONDS"}
    evidence("DATABASE_POOLSIZE, DRAIN_SECOND: a warning each; a platform's DATABASE_PORT: none")


def names_in(path: Path) -> Iterator[tuple[int, str]]:
    """Every name, attribute and text (docstrings aside) in a module, with its line."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value
        elif isinstance(node, ast.Name | ast.Attribute):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.ImportFrom | ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def test_the_environment_is_read_in_one_module_only(evidence: Evidence) -> None:
    """FACTORS III.4: who wants to know what can be configured has one place to look."""
    readers = {"environ", "environb", "getenv", "getenvb", "BaseSettings", "dotenv", "dotenv_values", "load_dotenv"}

    found = [
        f"{p.name}:{at}" for p in SOURCES for at, name in names_in(p) if name in readers and p.name != "settings.py"
    ]

    assert found == []
    evidence(f"{len(SOURCES)} modules: the environment is read in settings.py")


def test_no_code_knows_a_deploys_name(evidence: Evidence) -> None:
    """FACTORS III.4: settings are independent controls, never grouped into environments."""
    deploys = re.compile(r"(prod|production|staging|stage|development|local|testing|is_prod|is_dev|debug_mode)", re.I)
    switches = re.compile(r"(APP_|FASTAPI_|PYTHON_)?ENV(IRONMENT)?", re.I)

    said = [(p.name, at, name) for p in SOURCES for at, name in names_in(p)]
    found = [place for place in said if deploys.fullmatch(place[2]) or switches.fullmatch(place[2])]

    assert found == []
    evidence(f"{len(said)} names and texts: no deploy's name, no ENVIRONMENT switch")


def test_no_secret_and_no_resource_has_a_default(evidence: Evidence) -> None:
    """FACTORS III.4: a default password is everyone's password; a default database is somebody else's."""
    handles = re.compile(r"(url|dsn|password|secret|token|key|credential|broker|dsn)", re.I)
    fields = {**Settings.model_fields, **SeedSettings.model_fields}

    with_default = [
        n for n, field in fields.items() if handles.search(n) and field.get_default() and not field.is_required()
    ]

    assert Settings.model_fields["database_url"].is_required()
    assert with_default == []
    evidence(f"{len(fields)} settings: no default for a secret or a resource")


def test_what_is_documented_is_what_can_be_set(start: Start, evidence: Evidence) -> None:
    """FACTORS III.5: README, .env.example, compose and manifests name the settings that exist, with their defaults."""
    schema = start("config", "--schema")
    assert schema.wait() == 0
    table = schema.output.decode()
    ours = known_variables(Settings)
    example = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)

    assert re.findall(r"^\| ([A-Z_]+) \|", table, re.M) == [*ours, *known_variables(SeedSettings)]
    assert table in (ROOT / "README.md").read_text(), "paste the output of `app config --schema` into README.md"
    assert sorted(example) == sorted(ours)
    for given in [*ROOT.glob("compose*.y*ml"), *(ROOT / "deploy").rglob("*.y*ml")]:
        text = given.read_text()
        for name in re.findall(r"^\s+(?:- name: )?([A-Z][A-Z_]{3,})[:=]", text, re.M):
            assert (
                name in [*ours, *known_variables(SeedSettings)] or name == "COMMIT" or name.startswith("POSTGRES_")
            ), f"{given}: {name}"
    evidence(f"{len(ours)} settings: schema, README and .env.example agree")


ONE_OTHER_VALUE = {
    "PORT": "8123", "HOST": "::1", "DATABASE_URL": "postgresql://other@db.example:5433/other",
    "DATABASE_PASSWORD_FILE": __file__, "DATABASE_POOL_SIZE": "3", "DATABASE_TIMEOUT_SECONDS": "2",
    "WEB_CONCURRENCY": "2", "WORKER_CONCURRENCY": "3", "REQUEST_CONCURRENCY": "7", "DRAIN_SECONDS": "1",
    "SHUTDOWN_SECONDS": "30", "REQUEST_MAX_BYTES": "1000", "REQUEST_TIMEOUT_SECONDS": "3",
    "FORWARDED_ALLOW_IPS": "10.0.0.1", "LOG_LEVEL": "debug", "FULFILMENT_URL": "http://other.example",
    "RELEASE": "v2",
}  # fmt: skip


def test_each_variable_sets_its_own_value_and_no_other(start: Start, evidence: Evidence) -> None:
    """FACTORS III.6: one variable at a time, and exactly its own line of `config` changes."""
    base = {"DATABASE_URL": "postgresql://one@db.example/one"}

    def shown(**more: str) -> list[str]:
        process = start("config", **{**base, **more})
        assert process.wait() == 0
        return process.output.decode().splitlines()

    assert set(ONE_OTHER_VALUE) == set(known_variables(Settings)), "a new setting belongs into this test"
    before = shown()
    for name, value in ONE_OTHER_VALUE.items():
        changed = set(shown(**{name: value})) - set(before)
        assert [line.split("=")[0] for line in changed] == [name]
    evidence(f"{len(ONE_OTHER_VALUE)} variables, one at a time: one line of `config` changes each")


def test_two_deploys_of_one_build_run_side_by_side(
    start: Start, database: str, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS III.6: same code, two configurations, and neither knows of the other."""
    here, there = (
        start("web", DATABASE_URL=database, RELEASE="a"),
        start("web", DATABASE_URL=fresh_database, RELEASE="b"),
    )
    for web in (here, there):
        web.wait_until_ready()

    row = here.ask(*domain.write_request()).json()["id"]

    wait_until(lambda: here.ask("GET", domain.path_of(row)).status == 200)
    assert there.ask("GET", domain.path_of(row)).status == 404
    assert here.port != there.port
    evidence(f"ports {here.port} and {there.port} on {HOST}: a row of one is unknown to the other")


def test_the_image_without_a_configuration_says_what_it_needs(contained: Start, evidence: Evidence) -> None:
    """FACTORS III.1: nothing was built in: the image alone ends with 78 and one line that names what it lacks."""
    web = contained("web")

    code = web.wait()

    assert code == 78
    assert [list(event["problems"]) for event in web.events()] == [["DATABASE_URL"]]
    assert web.stderr == b""
    evidence("the image without a setting: exit 78, one line that names DATABASE_URL")
