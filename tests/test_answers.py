"""Every answer renders a project that is valid, or is refused in one clear line with no folder left behind."""

import hashlib
import itertools
import json
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import TEMPLATE, Bake, Render

QUESTIONS: dict[str, Any] = json.loads((TEMPLATE / "cookiecutter.json").read_text())
CHOICES = {name: values for name, values in QUESTIONS.items() if isinstance(values, list)}
EVERY_COMBINATION = [dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())]

SOME_ANSWERS_ONLY = {
    ".github": {"ci": "github"},
    ".gitlab-ci.yml": {"ci": "gitlab"},
    "renovate.json": {"ci": "gitlab"},
    ".github/workflows/deploy.yml": {"ci": "github", "kubernetes": "yes"},
    "deploy/kubernetes": {"kubernetes": "yes"},
}

HOOK = TEMPLATE / "hooks/pre_gen_project.py"
SCRIPTS = "import importlib.metadata as m; print(*(script.name for script in m.entry_points(group='console_scripts')))"

KEPT = "renders"
HOSTILE = {
    "quotes": ({"description": """It's "quoted" \"\"\"thrice\"\"\" and '''so'''"""}, KEPT),
    "backslashes": ({"description": r"C:\new\table \u0041 \\", "author_name": "back\\slash\\"}, KEPT),
    "markup": (
        {"project_slug": "marked", "project_name": "<b>&amp; *Orders* `x` | y", "author_name": "a: b # c % $HOME"},
        KEPT,
    ),
    "emoji": ({"project_name": "Teapots 🫖", "description": "Größe: 漢字", "project_slug": "teapots"}, KEPT),
    "longest": ({"description": "d" * 300, "project_slug": "s" * 40}, KEPT),
    "line break": ({"description": "one\ntwo"}, "line break"),
    "control character": ({"author_name": "a\x1b[31m"}, "cannot be printed"),
    "300 characters": ({"project_name": "n" * 300, "project_slug": "long"}, "300 characters, of at most 100"),
    "empty name": ({"project_name": "", "project_slug": "empty-name"}, "project_name '': it is empty"),
    "empty description": ({"description": " "}, "it is empty"),
    "empty slug": ({"project_slug": ""}, ""),
    "keyword": ({"project_slug": "class"}, "word of Python"),
    "standard module": ({"project_slug": "json"}, "standard library"),
    "dependency": ({"project_slug": "fastapi"}, "the service itself uses"),
    "script of a dependency": ({"project_slug": "lint-imports"}, "the service itself uses"),
    "path": ({"project_slug": "../x"}, "small letters"),
    "option": ({"project_slug": "-x"}, "small letters"),
    "capitals": ({"project_slug": "Orders"}, "small letters"),
    "too long a slug": ({"project_slug": "s" * 41}, "1 to 40"),
    "accent": ({"project_slug": "café"}, "small letters"),
}


def name_of(answers: dict[str, str]) -> str:
    return "-".join(answers.values())


def fingerprint(render: Render) -> str:
    """What the code checks read: every Python file and the project file."""
    digest = hashlib.sha256()
    for name in sorted(render.files()):
        if name.endswith(".py") or name == "pyproject.toml":
            digest.update(name.encode() + (render.folder / name).read_bytes())
    return digest.hexdigest()


def assert_parses(render: Render) -> None:
    for name in render.files():
        path = render.folder / name
        if name.endswith(".toml"):
            tomllib.loads(path.read_text())
        elif name.endswith((".yaml", ".yml")):
            list(yaml.safe_load_all(path.read_text()))


def assert_no_template_tag(render: Render) -> None:
    for name in render.files():
        text = (render.folder / name).read_text(errors="replace")
        for line in text.splitlines():
            assert "cookiecutter." not in line or "cookiecutter.io" in line, f"{name}: {line}"


def check_code(render: Render, installed: Render) -> None:
    """ruff, mypy --strict, import-linter and deptry over this render, with the tools of one that is installed."""
    (render.folder / ".venv").symlink_to(installed.folder / ".venv")
    path = f"{installed.folder / '.venv/bin'}:/usr/bin:/bin"
    for command in (["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."]):
        done = render.run(*command, PATH=path)
        assert done.returncode == 0, done.stdout + done.stderr
    for command in (["mypy", "--cache-dir", str(installed.folder / ".mypy_cache")], ["lint-imports", "--no-cache"]):
        done = render.run(*command, PATH=path, PYTHONPATH=str(render.folder / "src"))
        assert done.returncode == 0, done.stdout + done.stderr
    (render.folder / ".venv").unlink()


def test_every_combination_of_the_choices_renders_a_valid_project(
    bake: Bake, installed: Render, inside_git: Path
) -> None:
    """The Python code is the same for many combinations: it is checked once for each that differs."""
    checked: set[str] = set()
    with ThreadPoolExecutor(2) as pool:
        renders = list(pool.map(lambda answers: bake(into=inside_git / name_of(answers), **answers), EVERY_COMBINATION))
    for answers, render in zip(EVERY_COMBINATION, renders, strict=True):
        assert render.status == 0, f"{answers}: {render.said}"
        assert_parses(render)
        assert_no_template_tag(render)
        for place, needed in SOME_ANSWERS_ONLY.items():
            assert (render.folder / place).exists() == (needed.items() <= answers.items()), f"{place} with {answers}"
        assert (render.folder / "LICENSE").is_file()
        assert not (render.folder / "licenses").exists()
        if fingerprint(render) not in checked:
            checked.add(fingerprint(render))
            check_code(render, installed)
    print(f"{len(EVERY_COMBINATION)} combinations, {len(checked)} different bodies of code")


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_answer_renders_or_is_refused_in_one_line(
    case: str, bake: Bake, installed: Render, inside_git: Path
) -> None:
    answers, expected = HOSTILE[case]
    place = inside_git / "place" / "inner"
    place.mkdir(parents=True)

    render = bake(into=place, **answers)

    if expected == KEPT:
        assert render.status == 0, render.said
        assert_parses(render)
        check_code(render, installed)
    else:
        assert render.status != 0
        assert expected in render.said
        # what cookiecutter itself says of a hook that failed, a traceback of its own, cannot be turned off
        ours = [line for line in render.said.splitlines() if line.startswith(("Refused:", "Error:"))]
        assert len(ours) == 1, render.said
        assert list(place.iterdir()) == []
        assert [path.name for path in place.parent.iterdir()] == ["inner"]


def test_no_service_can_be_called_like_a_direct_dependency_or_its_script(installed: Render) -> None:
    project = tomllib.loads((installed.folder / "pyproject.toml").read_text())
    declared = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in declared}
    scripts = installed.run(".venv/bin/python", "-c", SCRIPTS).stdout.split()
    taken = HOOK.read_text().split("TAKEN = set(")[1].split('"""')[1].split()

    refused = {name for name in names | set(scripts) if "." not in name}  # a slug has no dot
    assert refused - set(taken) - {"order-service"} == set()
