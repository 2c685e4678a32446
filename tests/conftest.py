"""Renders projects as a user does: cookiecutter as a program, with a home of its own and nothing of this shell."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parent.parent
TOOLS = Path(sys.executable).parent  # the template's .venv: cookiecutter, cruft, uv
ENGINE = ("DOCKER_HOST", "DOCKER_CONFIG")  # .ci/run sets them on a machine that has no engine of its own
CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO")


@dataclass
class Render:
    """What a run of cookiecutter gave."""

    folder: Path
    status: int
    said: str

    def files(self) -> set[str]:
        """Every file, but for git's own and those that an installation makes."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return {str(path) for path in found if path.parts[0] not in (".git", ".venv")}

    def run(self, *command: str, timeout: float = 600, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=environment(**variables), capture_output=True, text=True, timeout=timeout
        )


def environment(**variables: str) -> dict[str, str]:
    """The variables that a program of a test gets: enough to run, and a cache so that nothing is downloaded twice."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", *CERTIFICATES, *ENGINE) if name in os.environ}
    path = f"{TOOLS}:{os.environ.get('PATH', os.defpath)}"
    return kept | {"PATH": path, "GIT_CONFIG_NOSYSTEM": "1"} | variables


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks in the template, or would: as a user gets it by cloning."""
    copy = tmp_path_factory.mktemp("template") / "cookiecutter-twelve-factor"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TEMPLATE, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, tracked.split("\0")):
        if (TEMPLATE / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TEMPLATE / name, copy / name)
    return copy


Bake = Callable[..., Render]


@pytest.fixture
def bake(template: Path, tmp_path: Path) -> Bake:
    """Render the template into the test's folder; keyword arguments are answers."""

    def run(*options: str, into: Path = tmp_path, variables: dict[str, str] | None = None, **answers: str) -> Render:
        arguments = [f"{name}={value}" for name, value in answers.items()]
        done = subprocess.run(
            [TOOLS / "cookiecutter", "--no-input", *options, "--output-dir", into, template, *arguments],
            env=environment(**{"COOKIECUTTER_CONFIG": str(tmp_path / "none.yaml"), **(variables or {})}),
            capture_output=True, text=True, timeout=300, cwd=tmp_path,
        )  # fmt: skip
        return Render(into / answers.get("project_slug", "order-service"), done.returncode, done.stdout + done.stderr)

    (tmp_path / "none.yaml").write_text("default_context: {}\n")
    return run


@pytest.fixture
def inside_git(tmp_path: Path) -> Path:
    """The test's folder as a git repository: a render in it is pruned only, neither locked nor committed."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


@pytest.fixture(scope="session")
def installed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Render]:
    """A default render with its dependencies installed, one for each test process."""
    folder = tmp_path_factory.mktemp("installed")
    command: list[str | Path] = [TOOLS / "cookiecutter", "--no-input", "--output-dir", folder, template]
    subprocess.run(command, check=True, env=environment(), capture_output=True)
    render = Render(folder / "order-service", 0, "")
    done = render.run("make", "install")
    assert done.returncode == 0, done.stdout + done.stderr
    yield render
