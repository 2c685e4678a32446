"""What brings a render to where it runs: image, compose, manifests, pipelines."""

import re

import pytest

from .conftest import Bake, Render


@pytest.fixture
def render(bake: Bake) -> Render:
    return bake("--accept-hooks", "no")


def test_the_image_starts_the_app_itself_as_nobody(render: Render) -> None:
    dockerfile = (render.folder / "Dockerfile").read_text()

    assert 'ENTRYPOINT ["python", "-I", "-m", "app"]\nCMD ["web"]' in dockerfile
    assert re.search(r"^USER \d+:\d+$", dockerfile, re.MULTILINE)
    assert "# syntax=" not in dockerfile
    assert not re.search(r"^(ENV|ARG|LABEL) .*(DATABASE|PORT|RELEASE|_SECONDS)", dockerfile, re.MULTILINE)


@pytest.mark.parametrize(("ci", "path"), [("github", ".github/workflows/pipeline.yml"), ("gitlab", ".gitlab-ci.yml")])
def test_a_pipeline_tests_what_is_locked_and_names_the_image_by_its_commit(ci: str, path: str, bake: Bake) -> None:
    text = (bake("--accept-hooks", "no", ci=ci).folder / path).read_text()

    assert [name in text for name in ("uv lock --check", "make test", "make factors")] == [True] * 3
    assert re.search(r'docker buildx build --build-arg COMMIT="\$\w+_SHA" --tag "[^"]+_SHA"', text)
    assert "--sbom=true" in text
    assert "cosign sign" in text


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_pipeline_runs_targets_that_there_are(ci: str, bake: Bake) -> None:
    folder = bake("--accept-hooks", "no", ci=ci).folder
    files = [*folder.glob(".github/workflows/*.yml"), *folder.glob(".gitlab-ci.yml")]
    wanted = {target for file in files for target in re.findall(r"\bmake ([a-z]+)", file.read_text())}
    targets = set(re.findall(r"^([a-z]+):", (folder / "Makefile").read_text(), re.M))

    assert {"test", "factors", "manifests"} <= wanted <= targets
