"""The pages about the factors say what the code does: excerpts are the source's own lines, and every page is whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import TEMPLATE

SERVICE = TEMPLATE / "{{cookiecutter.project_slug}}"
PAGES, RENDERED_PAGES = TEMPLATE / "docs" / "factors", SERVICE / "docs" / "factors"
FACTORS = (
    "01-codebase 02-dependencies 03-config 04-backing-services 05-build-release-run 06-processes "
    "07-port-binding 08-concurrency 09-disposability 10-dev-prod-parity 11-logs 12-admin-processes"
).split()
PARTS = ["Why", "Broken", "Here", "See it", "Proof", "Ask your own service"]
SCREEN_LINES = 70
BROKEN_LINES = 10


def test_every_page_is_what_make_docs_writes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.excerpts", "--check"], cwd=TEMPLATE, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, ""), "run `make docs`"


def test_there_is_a_page_for_each_factor_and_no_other() -> None:
    for folder in (PAGES, RENDERED_PAGES):
        assert sorted(path.stem for path in folder.glob("*.md")) == FACTORS


@pytest.mark.parametrize("factor", FACTORS)
def test_a_page_is_one_screen_with_all_its_parts(factor: str) -> None:
    page = (PAGES / f"{factor}.md").read_text()
    broken = page.partition("## Broken\n")[2].partition("\n## ")[0]

    assert re.findall(r"^## (.+)$", page, re.M) == PARTS
    assert re.search(r"^\*\*.+\*\*$", page, re.M), "the rule, in one line"
    assert "<!-- excerpt " in page, "code that is included, not pasted"
    assert f"test_{factor.replace('-', '_')}.py" in page, "its proof"
    assert page.count("\n") <= SCREEN_LINES
    assert len([line for line in broken.splitlines() if line and not line.startswith("```")]) <= BROKEN_LINES


@pytest.mark.parametrize("factor", FACTORS)
def test_a_page_can_be_rendered(factor: str) -> None:
    page = (RENDERED_PAGES / f"{factor}.md").read_text()

    assert not re.search(r"\{\{|\{%|\{#|%7B", page)
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (RENDERED_PAGES / Path(target)).exists(), target
