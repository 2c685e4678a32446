"""I. Codebase: one codebase in version control, many deploys of it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import app
from tests.conftest import ROOT
from tests.factors.conftest import Evidence, Start
from tests.factors.tools import run_copy

DEPLOYS = {"dev", "development", "test", "testing", "qa", "uat", "stage", "staging", "prod", "production", "live"}
MADE_BY_TOOLS = ("__pycache__", "commit.txt")


def git(*arguments: str) -> list[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture
def versioned_files(tmp_path: Path) -> list[str]:
    """What git would keep of this folder, asked with an empty index of our own so that no commit is needed."""
    git("init", "--quiet", "--bare", str(tmp_path / "index"))
    listed = ("ls-files", "--others", "--exclude-standard")
    return git("--git-dir", str(tmp_path / "index"), "--work-tree", str(ROOT), *listed)


def test_everything_that_the_build_needs_is_in_the_one_repository(
    versioned_files: list[str], evidence: Evidence
) -> None:
    """FACTORS I.1: nothing that ships is ignored by git, and no second repository hides inside."""
    shipped = [path for path in (ROOT / "src").rglob("*") if path.is_file()]
    needed = {str(p.relative_to(ROOT)) for p in shipped if not set(MADE_BY_TOOLS) & set(p.parts)}
    needed = {path for path in needed if ".egg-info" not in path} | {"pyproject.toml", "Procfile"}

    assert needed <= set(versioned_files)
    assert not (ROOT / ".gitmodules").exists()
    assert not list((ROOT / "src").rglob(".git"))
    evidence(f"{len(needed)} files that the build needs: all versioned, in one repository")


def test_no_template_tag_is_left(versioned_files: list[str], evidence: Evidence) -> None:
    """FACTORS I.2: the code is complete as it stands; nothing is filled in for a deploy."""
    tag = re.compile(rb"\{\{-?\s*cookie" + rb"cutter\b|[{]%")

    tagged = [name for name in versioned_files if tag.search((ROOT / name).read_bytes())]

    assert tagged == []
    evidence(f"{len(versioned_files)} files, no template tag")


def test_a_process_tells_its_commit_and_its_release(start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS I.3: one commit runs in many deploys, and each says which it is."""
    head = git("rev-parse", "HEAD") if (ROOT / ".git").exists() else ["unknown"]

    webs = [start("web", DATABASE_URL=database, RELEASE=release) for release in ("v41-here", "v42-there")]
    for web in webs:
        web.wait_until_alive()
    answers = [web.ask("GET", "/version").json() for web in webs]

    stamp = Path(app.__file__).with_name("commit.txt")
    commit = stamp.read_text().strip() if stamp.exists() else head[0]
    assert [answer["commit"] for answer in answers] == [commit, commit]
    assert [answer["release"] for answer in answers] == ["v41-here", "v42-there"]
    evidence(f"commit {commit[:12]} twice, releases v41-here and v42-there")


def test_a_build_from_a_dirty_tree_says_so(tmp_path: Path, start: Start, database: str, evidence: Evidence) -> None:
    """FACTORS I.3: the build writes the commit down, and what it wrote is what `/version` tells."""
    artefact = tmp_path / "artefact"
    shutil.copytree(Path(app.__file__).parent, artefact / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (artefact / "app" / "commit.txt").write_text("0123456789abcdef-dirty\n")

    web = start.using(program=run_copy(artefact))("web", DATABASE_URL=database)
    web.wait_until_alive()

    assert web.ask("GET", "/version").json()["commit"] == "0123456789abcdef-dirty"
    evidence("/version: 0123456789abcdef-dirty")


def test_no_deploy_has_a_file_or_a_branch_of_its_own(versioned_files: list[str], evidence: Evidence) -> None:
    """FACTORS I.4: deploys differ in release and config, never in code, so the code knows no deploy's name."""
    places = [name for name in versioned_files if name.split("/")[0] not in ("docs", "tests")]
    words = {name: set(re.split(r"[^a-z]+", name.lower())) for name in places if not name.startswith("dev/")}
    branches = git("for-each-ref", "--format=%(refname:short)", "refs/heads") if (ROOT / ".git").exists() else []

    assert [name for name, parts in words.items() if parts & DEPLOYS] == []
    assert [branch for branch in branches if branch in DEPLOYS - {"dev", "development"}] == []
    evidence(f"{len(places)} paths and {len(branches)} branches name no deploy")
