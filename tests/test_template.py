"""Rules that hold for everything that git tracks here."""

import re
import subprocess
from pathlib import Path

import pytest

from .conftest import TEMPLATE

TRACKED = sorted(
    name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=TEMPLATE, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    if name and (TEMPLATE / name).exists()
)
SERVICE = "{{cookiecutter.project_slug}}/"
MODULE_LINES = 150


def text_of(name: str) -> str:
    return (TEMPLATE / name).read_text(errors="replace")


def test_no_lock_file_and_no_registry_is_tracked() -> None:
    registries = re.compile("py" + r"pi\.org|python" + r"hosted\.org|registry\.npm" + r"js\.org|deb\.debian" + r"\.org")

    assert [name for name in TRACKED if name.endswith(("uv.lock", "package-lock.json", "poetry.lock"))] == []
    assert [name for name in TRACKED if registries.search(text_of(name))] == []


def test_no_python_file_of_the_service_has_a_template_tag() -> None:
    python = [name for name in TRACKED if name.startswith(SERVICE) and name.endswith(".py")]

    assert python
    assert [name for name in python if re.search(r"\{\{|\{%", text_of(name))] == []


@pytest.mark.parametrize("hook", ["hooks/pre_gen_project.py", "hooks/post_gen_project.py"])
def test_a_hook_has_one_template_tag(hook: str) -> None:
    assert len(re.findall(r"\{\{ .* \}\}", text_of(hook))) == 1


def test_no_file_of_the_service_selects_code_by_an_answer() -> None:
    assert [name for name in TRACKED if name.startswith(SERVICE) and re.search(r"\{%-? *if", text_of(name))] == []


def test_modules_of_the_service_stay_small() -> None:
    modules = [name for name in TRACKED if name.startswith(f"{SERVICE}src/app/") and name.endswith(".py")]
    lines = {name: text_of(name).count("\n") for name in modules}

    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def test_every_link_to_a_file_leads_somewhere() -> None:
    broken = []
    for name in (name for name in TRACKED if name.endswith(".md")):
        base = (TEMPLATE / name).parent
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text_of(name)):
            if "://" in target or target.startswith("mailto:"):
                continue
            path = (base / target.replace("%7B", "{").replace("%7D", "}")).resolve()
            if not path.exists() and not (name.startswith(SERVICE) and Path(target).name in ("LICENSE", "uv.lock")):
                broken.append(f"{name}: {target}")

    assert broken == []
