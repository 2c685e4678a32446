"""Where and how people render: again, without uv or git, offline, inside a repository, without hooks, with cruft."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import TEMPLATE, TOOLS, Bake, Render, environment

UPDATED = "{{cookiecutter.project_slug}}/Procfile"
GITLAB = (".gitlab-ci.yml", "renovate.json")


def git(*arguments: str, cwd: Path) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    done = subprocess.run(["git", *identity, *arguments], cwd=cwd, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def path_without(folder: Path, *hidden: str) -> str:
    """A PATH with every program of this machine but those."""
    folder.mkdir()
    for place in f"{TOOLS}:{os.environ['PATH']}".split(":"):
        for program in Path(place).glob("*") if Path(place).is_dir() else []:
            link = folder / program.name
            if program.name not in hidden and not link.exists() and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def test_a_render_is_one_clean_repository_with_one_commit_and_a_lock(bake: Bake) -> None:
    render = bake()

    assert render.status == 0, render.said
    assert git("rev-list", "--count", "HEAD", cwd=render.folder) == "1"
    assert git("status", "--porcelain", cwd=render.folder) == ""
    assert "uv.lock" in git("ls-files", cwd=render.folder).splitlines()


def test_the_same_answers_give_the_same_tree(bake: Bake, tmp_path: Path) -> None:
    trees = []
    for place in (tmp_path / "one", tmp_path / "other"):
        folder = bake(into=place).folder
        tree = git("ls-files", "--stage", "--", ":!uv.lock", cwd=folder)
        trees.append(tree)

    assert trees[0] == trees[1]


def test_a_render_holds_what_git_tracks_and_a_licence(bake: Bake, inside_git: Path) -> None:
    tracked = git("ls-files", "-z", cwd=TEMPLATE).split("\0")
    prefix = "{{cookiecutter.project_slug}}/"
    expected = {name.removeprefix(prefix) for name in tracked if name.startswith(prefix)}
    of_other_answers = {name for name in expected if name.startswith("licenses/") or name in GITLAB}

    assert bake().files() == expected - of_other_answers | {"LICENSE"}


def test_no_tool_has_left_anything_in_the_folder_that_is_rendered() -> None:
    """Cookiecutter renders whatever lies there: from a clone that is worked in, caches as well."""
    assert git("ls-files", "--others", "--", "{{cookiecutter.project_slug}}", cwd=TEMPLATE) == ""


def test_rendering_again_over_a_render_changes_nothing(bake: Bake) -> None:
    first = bake().folder
    head = git("rev-parse", "HEAD", cwd=first)

    again = bake("--overwrite-if-exists")

    assert again.status == 0, again.said
    assert git("rev-parse", "HEAD", cwd=first) == head
    assert git("status", "--porcelain", cwd=first) == ""


def test_rendering_again_without_being_told_so_is_refused_and_loses_nothing(bake: Bake) -> None:
    precious = bake().folder / "precious.txt"
    precious.write_text("mine")

    again = bake()

    assert again.status != 0
    assert "already exists" in again.said
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("missing", [("uv",), ("git",), ("uv", "git")])
def test_without_uv_or_git_the_render_says_in_a_line_what_to_run(
    missing: tuple[str, ...], bake: Bake, tmp_path: Path
) -> None:
    render = bake(variables={"PATH": path_without(tmp_path / "programs", *missing)})

    assert render.status == 0, render.said
    assert "Traceback" not in render.said
    assert (render.folder / "src/app/cli.py").is_file()
    assert ("make install" in render.said) == ("uv" in missing)
    assert ("git init" in render.said) == ("git" in missing)


def test_offline_the_render_is_complete_but_for_its_lock(bake: Bake, tmp_path: Path) -> None:
    offline = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "empty-cache")}

    render = bake(variables=offline)

    assert render.status == 0, render.said
    assert "Not locked" in render.said
    assert git("status", "--porcelain", cwd=render.folder) == ""


def test_inside_a_repository_nothing_is_committed(bake: Bake, inside_git: Path) -> None:
    render = bake()

    assert render.status == 0, render.said
    assert not (render.folder / ".git").exists()
    assert not (render.folder / "uv.lock").exists()
    assert "uv lock" in render.said


def test_without_hooks_the_project_works_all_the_same(bake: Bake) -> None:
    render = bake("--accept-hooks", "no")

    assert render.status == 0, render.said
    done = render.run("uv", "sync", "--quiet")
    assert done.returncode == 0, done.stderr
    done = render.run(".venv/bin/python", "-I", "-m", "app", "openapi")
    assert "/orders" in json.loads(done.stdout)["paths"], done.stderr


def test_a_replay_gives_the_same_answers_again(template: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    answers = ["project_slug=tea-service", "python_version=3.12"]
    first: list[str | Path] = ["--no-input", "--output-dir", tmp_path / "first", template, *answers]
    second: list[str | Path] = ["--replay", "--output-dir", tmp_path / "second", template]

    for arguments in (first, second):
        done = subprocess.run(
            [TOOLS / "cookiecutter", *arguments], env=environment(**home), capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr

    again, before = (Render(tmp_path / name / "tea-service", 0, "") for name in ("second", "first"))
    for name in before.files() - {"uv.lock"}:
        assert (again.folder / name).read_bytes() == (before.folder / name).read_bytes()


def test_every_question_has_a_text_for_people() -> None:
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text())
    asked = {name for name in questions if not name.startswith("_")}

    assert set(questions["__prompts__"]) == asked
    for name in asked:
        if isinstance(questions[name], list):
            assert set(questions["__prompts__"][name]) == {"__prompt__", *questions[name]}


def test_cruft_creates_checks_and_updates_from_one_tag_to_the_next(template: Path, tmp_path: Path) -> None:
    source = tmp_path / "template"
    shutil.copytree(template, source)
    git("init", "--quiet", "--initial-branch=main", cwd=source)
    git("add", "--all", cwd=source)
    git("commit", "--quiet", "--message=one", cwd=source)
    git("tag", "v1", cwd=source)
    project = tmp_path / "order-service"

    def cruft(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [TOOLS / "cruft", *arguments], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    assert cruft("create", "--no-input", "--checkout", "v1", str(source), cwd=tmp_path).returncode == 0
    git("init", "--quiet", cwd=project)
    git("add", "--all", cwd=project)
    git("commit", "--quiet", "--message=mine", cwd=project)
    assert cruft("check", "--checkout", "v1", cwd=project).returncode == 0

    (source / UPDATED).write_text((source / UPDATED).read_text() + "# A line of the next version.\n")
    git("commit", "--quiet", "--all", "--message=two", cwd=source)
    git("tag", "v2", cwd=source)
    assert cruft("check", "--checkout", "v2", cwd=project).returncode == 1
    done = cruft("update", "--skip-apply-ask", "--checkout", "v2", cwd=project)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "A line of the next version." in (project / "Procfile").read_text()
    changed = git("status", "--porcelain", cwd=project).split()
    assert sorted(changed) == [".cruft.json", "M", "M", "Procfile"]
    assert cruft("check", "--checkout", "v2", cwd=project).returncode == 0


def test_make_dev_and_make_test_are_the_two_commands_of_a_render(installed: Render) -> None:
    readme = (installed.folder / "README.md").read_text()

    assert "make dev" in readme
    assert "make test" in readme


def test_asked_by_a_person_who_takes_every_default_it_shows_the_texts(template: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [TOOLS / "cookiecutter", "--accept-hooks", "no", "--output-dir", tmp_path, template]
    done = subprocess.run(command, input="\n" * 8, env=environment(COLUMNS="200"), capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    for prompt in json.loads((TEMPLATE / "cookiecutter.json").read_text())["__prompts__"].values():
        assert (prompt["__prompt__"] if isinstance(prompt, dict) else prompt) in done.stdout
    assert (tmp_path / "order-service/src/app/cli.py").is_file()
