"""V. Build, release, run: a release is a build plus a config, and running it changes neither; nor does it migrate."""

import json
import re
import shutil
from pathlib import Path

import psycopg
import pytest

import app
from app.database import REQUIRED_REVISION
from app.settings import SeedSettings, Settings, known_variables
from tests.conftest import ROOT, migrate
from tests.factors import domain
from tests.factors.conftest import Evidence, Start
from tests.factors.image import COMMIT, built_image, docker, inspect, run_image
from tests.factors.tools import Load, run_copy, wait_until

MAX_ADDED_BYTES = 120 * 1024 * 1024  # by the image to its base

NEXT_REVISION = """
from alembic import op
from sqlalchemy import text
revision, down_revision, branch_labels, depends_on = "9999", "{previous}", None, None
def upgrade() -> None:
    op.execute("ALTER TABLE {table} ADD COLUMN only_new text")
    op.execute(text("SELECT 1 / {divisor}"))
def downgrade() -> None:
    op.execute("ALTER TABLE {table} DROP COLUMN only_new")
"""


def tables(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as connection:
        return {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def columns(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as connection:
        asked = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
        return {row[0] for row in connection.execute(asked, (domain.TABLE,))}


def set_revision(database_url: str, revision: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))


def add_next_revision(versions: Path, *, works: bool) -> None:
    """Write the revision that the next release brings."""
    own = Path(app.__file__).parent / "migrations" / "versions"
    newest = max(path.name[:4] for path in own.glob("[0-9]*.py"))
    text = NEXT_REVISION.format(previous=newest, table=domain.TABLE, divisor=1 if works else 0)
    (versions / "9999_next.py").write_text(text)


def next_release(folder: Path, *, works: bool) -> tuple[str, ...]:
    """How to start a copy of this code that has one revision more."""
    shutil.copytree(Path(app.__file__).parent, folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    add_next_revision(folder / "app" / "migrations" / "versions", works=works)
    return run_copy(folder)


def look_inside(image: str, code: str) -> str:
    """What Python code prints that runs in the image, as its user."""
    return docker("run", "--rm", "--entrypoint=python", image, "-I", "-c", code)


@pytest.mark.race
def test_web_waits_for_the_schema_and_never_makes_it(start: Start, empty_database: str, evidence: Evidence) -> None:
    """FACTORS V.2: on an unmigrated database: no DDL, unready; after `migrate` ready, without a restart."""
    web = start("web", DATABASE_URL=empty_database)
    web.wait_until_alive()
    before, refused = web.ask("GET", "/readyz"), web.ask(*domain.read_request())

    made = tables(empty_database)
    migrate = start("migrate", DATABASE_URL=empty_database)
    migrated = migrate.wait()
    recovery = wait_until(web.is_ready, 5, "ready")

    assert (before.status, refused.status) == (503, 503)
    assert REQUIRED_REVISION in before.body.decode()
    assert made == set(), "web made no table"
    assert migrated == 0
    assert web.ask(*domain.write_request()).status == 201
    evidence(f"unmigrated: 503, 0 tables made; ready {recovery:.2f} s after `migrate`, same process")


def test_an_older_schema_is_refused_and_a_newer_one_served(
    start: Start, fresh_database: str, evidence: Evidence
) -> None:
    """FACTORS V.2: older means that `migrate` was forgotten; newer means that the next release is on its way."""
    web = start.ready(DATABASE_URL=fresh_database)

    set_revision(fresh_database, "0000")
    older = web.ask("GET", "/readyz")
    set_revision(fresh_database, "9999")
    newer = web.ask("GET", "/readyz")

    assert older.status == 503
    assert "0000" in older.body.decode()
    assert REQUIRED_REVISION in older.body.decode(), "names both revisions"
    assert newer.status == 200
    evidence(f"at 0000: 503 that names 0000 and {REQUIRED_REVISION}; at 9999: 200")


@pytest.mark.race
def test_a_failing_migration_leaves_the_old_release_serving(
    start: Start, fresh_database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS V.3: a migration is all or nothing, and its failure costs no request."""
    web = start.ready(DATABASE_URL=fresh_database)

    with Load(lambda: [web.port], clients=2, pause=0.02, make=domain.write_request) as load:
        migrate = start.using(program=next_release(tmp_path / "next", works=False))(
            "migrate", DATABASE_URL=fresh_database
        )
        code = migrate.wait()

    assert code == 1
    assert "division by zero" in migrate.output.decode()
    assert "only_new" not in columns(fresh_database), "half of a migration stays"
    assert load.failed() == []
    assert web.is_ready()
    evidence(f"migration failed with exit 1: nothing changed, 0 of {len(load.answers)} requests failed")


@pytest.mark.race
def test_the_old_release_serves_on_the_new_schema(
    start: Start, fresh_database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS V.3: expand first, contract later: while a release rolls out, old and new code share one schema."""
    web = start.ready(DATABASE_URL=fresh_database)

    with Load(lambda: [web.port], clients=2, pause=0.02, make=domain.write_request) as load:
        release = next_release(tmp_path / "next", works=True)
        code = start.using(program=release)("migrate", DATABASE_URL=fresh_database).wait()
        done = len(load.answers)
        wait_until(lambda: len(load.answers) > done + 20)
    restarted = start.ready(DATABASE_URL=fresh_database)

    assert code == 0
    assert "only_new" in columns(fresh_database)
    assert load.failed() == []
    assert restarted.ask(*domain.write_request()).status == 201, "also after a rollback of the code"
    evidence(f"migrated under load: 0 of {len(load.answers)} requests failed; the old code starts on it, too")


def test_the_release_is_in_every_event(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS V.5: what happened can be told by release."""
    web = start.ready(DATABASE_URL=database, RELEASE="v7-f00d", LOG_LEVEL="debug", DRAIN_SECONDS=0)
    web.ask("GET", "/nowhere")
    web.terminate()

    version = {"commit", "release", "service", "version"}
    events = web.events()
    assert {event["release"] for event in events} == {"v7-f00d"}
    assert version <= start.ready(DATABASE_URL=database).ask("GET", "/version").json().keys()
    evidence(f"v7-f00d in {len(events)} of {len(events)} events")


def test_a_worker_waits_for_the_schema_that_it_needs(start: Start, empty_database: str, evidence: Evidence) -> None:
    """FACTORS V.2: no DDL of its own, no crash; it says what it waits for, and begins after `migrate`."""
    worker = start("worker", DATABASE_URL=empty_database)
    reason = worker.wait_for_event("waiting for the database")["reason"]
    before = tables(empty_database)

    migrate(empty_database)
    rows = domain.place_rows(empty_database)
    took = wait_until(lambda: domain.effects(empty_database) == rows)

    assert REQUIRED_REVISION in reason
    assert before == set()
    assert worker.is_running()
    evidence(f"unmigrated: waits and says that it needs {REQUIRED_REVISION}; {took:.1f} s after `migrate`: a job done")


def test_the_build_is_told_its_commit_and_no_setting(image: str, evidence: Evidence) -> None:
    """FACTORS V.1: no setting in the image's history, labels or environment; no .env and no .git inside."""
    config = inspect(image)["Config"]
    told = json.dumps([config["Env"], config["Labels"]]) + docker("history", "--no-trunc", image)
    inside = look_inside(
        image,
        "import pathlib; from app.identity import build_commit; "
        "print(build_commit(), [str(p) for p in pathlib.Path('/app').glob('**/*') if p.name in ('.env', '.git')])",
    )

    settings = [*known_variables(Settings), *known_variables(SeedSettings)]
    assert [name for name in settings if re.search(rf"\b{name}[= \"]", told)] == []
    assert inside == f"{COMMIT} []"
    assert config["Labels"]["org.opencontainers.image.revision"] == COMMIT
    evidence(f"0 of {len(settings)} settings in history, labels and environment; the commit inside and in a label")


def test_the_image_is_small(image: str, tmp_path: Path, evidence: Evidence) -> None:
    """FACTORS V.1: what is built is the code and its dependencies: little on top of the base."""
    base = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.M)[-1]

    with built_image(tmp_path, f"FROM {base}") as name:
        added = inspect(image)["Size"] - inspect(name)["Size"]

    assert added <= MAX_ADDED_BYTES
    evidence(f"{added / 1024 / 1024:.0f} MB on top of {base}")


def test_the_code_cannot_change_where_it_runs(image: str, evidence: Evidence) -> None:
    """FACTORS V.4: it belongs to another user and nobody else may write it, whether the root is read-only or not."""
    found = json.loads(
        look_inside(
            image,
            "import json, os, pathlib; code = list(pathlib.Path('/app').glob('**/*')); "
            "print(json.dumps([os.getuid(), len(code), [str(p) for p in code if os.access(p, os.W_OK)]]))",
        )
    )

    user, files, writable = found
    assert user != 0
    assert files > 100
    assert writable == []
    assert not re.search(r"reload", json.dumps(inspect(image)["Config"]))
    evidence(f"user {user} may write 0 of {files} files")


@pytest.mark.race
def test_the_previous_image_serves_whatever_becomes_of_a_migration(
    contained: Start, image: str, label: str, fresh_database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS V.3: two images, one schema: the next one's `migrate` fails, then works; the previous one serves on."""
    web = contained.ready(DATABASE_URL=fresh_database)
    versions = look_inside(image, "import app; print(app.__path__[0] + '/migrations/versions/')")
    runs = []

    with Load(lambda: [web.port], clients=2, pause=0.02, make=domain.write_request) as load:
        for works in (False, True):
            add_next_revision(tmp_path, works=works)
            with built_image(tmp_path, f"FROM {image}\nCOPY 9999_next.py {versions}") as following:
                next_image = contained.using(program=run_image(following, label))
                code = next_image("migrate", DATABASE_URL=fresh_database).wait(60)
            runs.append((code, "only_new" in columns(fresh_database)))
        done = len(load.answers)
        wait_until(lambda: len(load.answers) > done + 20)
    restarted = contained.ready(DATABASE_URL=fresh_database)

    assert runs == [(1, False), (0, True)]
    assert load.failed() == []
    assert restarted.ask(*domain.write_request()).status == 201, "a rollback of the image needs none of the schema"
    evidence(f"migrate of the next image: exit 1, then 0; 0 of {len(load.answers)} requests of the previous one failed")


def test_a_release_is_a_build_and_a_config_and_migrates_once(evidence: Evidence) -> None:
    """FACTORS V.6: image, config and release id go together, on whatever platform; migrating is a step of its own."""
    compose = (ROOT / "compose.yaml").read_text()
    manifests = {path.stem: path.read_text() for path in (ROOT / "deploy/kubernetes").glob("base/*.yaml")}
    overlays = [path.read_text() for path in (ROOT / "deploy/kubernetes").glob("overlays/*/kustomization.yaml")]
    pods = {name: text for name, text in manifests.items() if "containers:" in text}

    assert set(re.findall(r"\$\{(IMAGE|CONFIG|RELEASE):-", compose)) == {"IMAGE", "CONFIG", "RELEASE"}
    assert bool(pods) == bool(overlays)
    assert not pods or set(pods) == {"migrate", "web", "worker"}
    for name, text in pods.items():
        assert ("kind: Job" in text) == (name == "migrate"), "once for each release, before it"
        assert "initContainers" not in text, "not once for each replica"
        assert re.search(r"annotations:\n\s+release: unreleased\n", text), "one annotation, set for a release"
        assert "metadata.annotations['release']" in text
        assert "secretRef" in text
        assert "kind: Secret" not in text, "by reference only"
    for text in overlays:
        assert "configMapGenerator" in text, "named by its hash"
        assert "immutable: true" in text
    evidence(
        f"compose: IMAGE, CONFIG, RELEASE; Kubernetes: {len(pods)} pods, {len(overlays)} hashed, immutable configs"
    )


def test_deploys_differ_in_values_only(evidence: Evidence) -> None:
    """FACTORS I.4 and V.6: one set of manifests, and for each deploy a config whose every name is a setting."""
    overlays = sorted((ROOT / "deploy/kubernetes").glob("overlays/*"))
    configs = [*(overlay / "config.env" for overlay in overlays), *sorted((ROOT / "deploy").glob("*.env"))]
    names = {path: set(re.findall(r"^([A-Z_]+)=", path.read_text(), re.M)) for path in configs}

    assert len({(overlay / "kustomization.yaml").read_text() for overlay in overlays}) <= 1
    assert {len(list(overlay.iterdir())) for overlay in overlays} <= {2}
    for path, given in names.items():
        assert given <= set(known_variables(Settings)), path
    evidence(
        f"{len(configs)} configs of deploys, {len(overlays)} of them on Kubernetes: the same manifests, other values"
    )


def test_a_deploy_takes_a_release_and_never_a_checkout(evidence: Evidence) -> None:
    """FACTORS V.7: build, release and deploy are steps of their own; the last one has a file and no code."""
    github, gitlab = ROOT / ".github/workflows/deploy.yml", ROOT / ".gitlab-ci.yml"
    deploys = [path.read_text().partition("\n  deploy:\n")[2] for path in (github,) if path.exists()]
    deploys += [path.read_text().partition("\ndeploy:\n")[2] for path in (gitlab,) if path.exists()]
    builds = [*ROOT.glob(".github/workflows/pipeline.yml"), *ROOT.glob(".gitlab-ci.yml")]

    for text in deploys:
        assert "release.yaml" in text
        assert "actions/checkout" not in text
        assert "GIT_STRATEGY: none" in text or "actions/download-artifact" in text
        assert not re.search(r"docker build|buildx|make ", text), "nothing is built or put together here"
    for path in builds:
        assert re.search(r'--build-arg COMMIT="\$\w+_SHA" --tag "[^"]+_SHA"', path.read_text()), "one image per commit"
    evidence(f"{len(builds)} pipeline(s) build one image per commit; {len(deploys)} deploy(s) take release.yaml alone")
