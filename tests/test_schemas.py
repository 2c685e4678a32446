"""What brings a render to where it runs, held against the schemas of those who will read it; nothing is downloaded."""

import subprocess
from pathlib import Path

import pytest

from . import engine
from .conftest import TEMPLATE, TOOLS, Bake, environment

KUBERNETES = ("1.30", "1.32", "1.34", "1.37")  # from one that clusters leave behind to the newest that is known
SCHEMAS = {
    "vendor.compose-spec": "compose.yaml",
    "vendor.github-workflows": ".github/workflows/*.yml",
    "vendor.dependabot": ".github/dependabot.yml",
}


def run(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOOLS / tool, *arguments], capture_output=True, text=True, timeout=120, env=environment(NO_COLOR="1")
    )


def passes(tool: str, *arguments: str | Path) -> None:
    done = run(tool, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field_of_the_manifests(version: str, bake: Bake) -> None:
    folder = bake("--accept-hooks", "no").folder / "deploy/kubernetes"
    manifests = [file for file in folder.rglob("*.yaml") if file.name != "kustomization.yaml"]

    assert manifests
    passes("kubernetes-validate", "--strict", "--kubernetes-version", version, *manifests)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_file_fits_its_schema(schema: str, bake: Bake) -> None:
    files = list(bake("--accept-hooks", "no", ci="github").folder.glob(SCHEMAS[schema]))

    assert files
    passes("check-jsonschema", "--builtin-schema", schema, *files)


def test_gitlab_understands_its_pipeline(bake: Bake) -> None:
    pipeline = bake("--accept-hooks", "no", ci="gitlab").folder / ".gitlab-ci.yml"

    passes("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform=gitlab-ci", pipeline)


def test_renovate_understands_its_configuration(bake: Bake) -> None:
    passes(
        "check-jsonschema", "--builtin-schema", "vendor.renovate",
        bake("--accept-hooks", "no", ci="gitlab").folder / "renovate.json",
    )  # fmt: skip


def test_the_templates_own_workflow_fits_its_schema() -> None:
    passes("check-jsonschema", "--builtin-schema", "vendor.github-workflows", TEMPLATE / ".github/workflows/ci.yml")


def test_zizmor_finds_nothing_in_the_workflows(bake: Bake) -> None:
    for folder in (bake("--accept-hooks", "no", ci="github").folder, TEMPLATE):
        passes("zizmor", "--offline", "--persona=pedantic", folder / ".github")


def test_hadolint_finds_nothing_in_the_dockerfile(bake: Bake) -> None:
    passes("hadolint", bake("--accept-hooks", "no").folder / "Dockerfile")


@engine.needs_engine
def test_docker_finds_nothing_in_the_dockerfile(bake: Bake) -> None:
    assert "no warnings found" in engine.docker("build", "--check", str(bake("--accept-hooks", "no").folder))
