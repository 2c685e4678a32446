"""What brings a render to where it runs: image, compose, manifests, pipelines."""

import json
import re
from typing import Any

import pytest
import yaml

from .conftest import Bake, Render


@pytest.fixture
def render(bake: Bake) -> Render:
    return bake("--accept-hooks", "no")


def documents(render: Render, path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((render.folder / path).read_text()))


def seconds(render: Render, name: str) -> float:
    config = dict(
        line.split("=", 1) for line in (render.folder / "deploy/kubernetes/config.env").read_text().splitlines()
    )
    return float(config[name])


def test_the_image_starts_the_app_itself_as_nobody(render: Render) -> None:
    dockerfile = (render.folder / "Dockerfile").read_text()

    assert 'ENTRYPOINT ["python", "-I", "-m", "app"]\nCMD ["web"]' in dockerfile
    assert re.search(r"^USER \d+:\d+$", dockerfile, re.MULTILINE)
    assert "# syntax=" not in dockerfile
    assert not re.search(r"^(ENV|ARG|LABEL) .*(DATABASE|PORT|RELEASE|_SECONDS)", dockerfile, re.MULTILINE)


@pytest.mark.parametrize("workload", ["web", "worker", "migrate"])
def test_a_pod_may_take_longer_to_end_than_the_process_does(workload: str, render: Render) -> None:
    pod = documents(render, f"deploy/kubernetes/{workload}.yaml")[0]["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] > seconds(render, "DRAIN_SECONDS") + seconds(render, "SHUTDOWN_SECONDS")
    assert pod["containers"][0]["args"] == [workload]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    assert pod["enableServiceLinks"] is False
    assert "initContainers" not in pod


def test_the_drain_outlasts_the_readiness_probe_and_liveness_asks_the_process_alone(render: Render) -> None:
    container = documents(render, "deploy/kubernetes/web.yaml")[0]["spec"]["template"]["spec"]["containers"][0]
    readiness = container["readinessProbe"]

    assert readiness["periodSeconds"] * readiness["failureThreshold"] < seconds(render, "DRAIN_SECONDS")
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_compose_runs_one_image_and_stops_it_in_time(render: Render) -> None:
    services = documents(render, "compose.yaml")[0]["services"]
    ours = {name: service for name, service in services.items() if service["image"].startswith("${IMAGE:-")}
    formation = {name: service["command"] for name, service in ours.items() if "profiles" not in service}
    second = {name: service["command"] for name, service in ours.items() if "profiles" in service}

    assert formation == {name: [name] for name in ("migrate", "web", "worker")}
    assert second == {"fulfilment": ["web"], "fulfilment-migrate": ["migrate"]}
    defaults = 5 + 20  # DRAIN_SECONDS, SHUTDOWN_SECONDS
    assert all(int(service["stop_grace_period"].removesuffix("s")) > defaults for service in ours.values())


@pytest.mark.parametrize(("ci", "path"), [("github", ".github/workflows/pipeline.yml"), ("gitlab", ".gitlab-ci.yml")])
def test_a_pipeline_tests_what_is_locked_and_names_the_image_by_its_commit(ci: str, path: str, bake: Bake) -> None:
    text = (bake("--accept-hooks", "no", ci=ci).folder / path).read_text()

    assert [name in text for name in ("uv lock --check", "make test", "make factors")] == [True] * 3
    assert re.search(r'docker buildx build --build-arg COMMIT="\$\w+_SHA" --tag "[^"]+_SHA"', text)
    assert "--sbom=true" in text
    assert "cosign sign" in text


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_deploy_takes_a_release_and_never_a_checkout(ci: str, bake: Bake) -> None:
    """FACTORS V.7: the job that touches the cluster has the release's one file, and no code."""
    path = ".github/workflows/deploy.yml" if ci == "github" else ".gitlab-ci.yml"
    pipeline = yaml.safe_load((bake("--accept-hooks", "no", ci=ci).folder / path).read_text())
    deploy = pipeline["jobs"]["deploy"] if ci == "github" else pipeline["deploy"]

    assert deploy["needs"] in ("release", ["release"])
    assert "checkout" not in json.dumps(deploy)
    assert ci == "github" or deploy["variables"]["GIT_STRATEGY"] == "none"
    assert "make " not in json.dumps(deploy)


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_pipeline_runs_targets_that_there_are(ci: str, bake: Bake) -> None:
    folder = bake("--accept-hooks", "no", ci=ci).folder
    files = [*folder.glob(".github/workflows/*.yml"), *folder.glob(".gitlab-ci.yml")]
    wanted = {target for file in files for target in re.findall(r"\bmake ([a-z]+)", file.read_text())}
    targets = set(re.findall(r"^([a-z]+):", (folder / "Makefile").read_text(), re.M))

    assert {"test", "factors", "manifests"} <= wanted <= targets
