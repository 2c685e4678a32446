"""What a schema of Kubernetes cannot see in the manifests: that they fit one another and the service's settings."""

import re
import shutil
from typing import Any

import pytest
import yaml

from . import engine
from .conftest import Bake, Render


@pytest.fixture
def render(bake: Bake) -> Render:
    return bake("--accept-hooks", "no")


@pytest.fixture
def manifests(render: Render) -> list[dict[str, Any]]:
    files = (render.folder / "deploy/kubernetes/base").glob("[mw]*.yaml")
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def of(kind: str, manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [manifest for manifest in manifests if manifest["kind"] == kind]
    assert found, f"no {kind}"
    return found


def pods(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [manifest["spec"]["template"] for manifest in of("Deployment", manifests) + of("Job", manifests)]


def test_every_selector_finds_the_pods_of_one_process_type(manifests: list[dict[str, Any]]) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(manifests) if "labels" in pod["metadata"]]
    selectors = [manifest["spec"]["selector"] for manifest in of("Service", manifests)]
    selectors += [manifest["spec"]["podSelector"]["matchLabels"] for manifest in of("NetworkPolicy", manifests)]
    for kind in ("Deployment", "PodDisruptionBudget"):
        selectors += [manifest["spec"]["selector"]["matchLabels"] for manifest in of(kind, manifests)]

    assert [sum(selector.items() <= one.items() for one in labels) for selector in selectors] == [1] * len(selectors)


def test_ports_are_named_where_they_are_used(manifests: list[dict[str, Any]]) -> None:
    declared = {
        port["name"] for pod in pods(manifests) for c in pod["spec"]["containers"] for port in c.get("ports", [])
    }
    used = {port["targetPort"] for service in of("Service", manifests) for port in service["spec"]["ports"]}
    for policy in of("NetworkPolicy", manifests):
        used |= {port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]}

    assert used == declared == {"http"}


def test_the_autoscaler_alone_says_how_many_replicas_there_are(manifests: list[dict[str, Any]]) -> None:
    deployments = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of("Deployment", manifests)}
    for scaler in of("HorizontalPodAutoscaler", manifests):
        assert "replicas" not in deployments[scaler["spec"]["scaleTargetRef"]["name"]]


def test_a_roll_out_takes_no_replica_away(manifests: list[dict[str, Any]]) -> None:
    for deployment in of("Deployment", manifests):
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_pods_are_restricted_and_know_their_release(manifests: list[dict[str, Any]]) -> None:
    """FACTORS V.6: image, config and release id change together; a Secret is named, never written."""
    for pod in pods(manifests):
        container = pod["spec"]["containers"][0]
        release = next(entry for entry in container["env"] if entry["name"] == "RELEASE")

        assert pod["metadata"]["annotations"].keys() == {"release"}
        assert release["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.annotations['release']"
        assert {next(iter(source)) for source in container["envFrom"]} == {"configMapRef", "secretRef"}
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not [manifest for manifest in manifests if manifest["kind"] in ("Secret", "ConfigMap")]


def test_every_action_is_pinned_by_a_commit(render: Render) -> None:
    workflows = (render.folder / ".github/workflows").glob("*.yml")

    used = [action for workflow in workflows for action in re.findall(r"uses: (\S+)", workflow.read_text())]
    assert used
    assert [action for action in used if not re.search(r"@[0-9a-f]{40}$", action)] == []


@engine.needs_engine
@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl on this machine; .ci/run brings one")
def test_a_changed_value_is_another_release_in_every_workload(render: Render) -> None:
    """FACTORS V.6, as kustomize sees it: the config's name is its hash, and the three workloads have the same one."""
    overlays = render.folder / "deploy/kubernetes/overlays"

    def made(overlay: str, release: str) -> tuple[set[str], set[str], set[str]]:
        arguments = ["IMAGE=registry.example/orders@sha256:abc", f"RELEASE={release}", f"OVERLAY={overlays / overlay}"]
        done = render.run("make", "--silent", "manifests", *arguments)
        assert done.returncode == 0, done.stderr
        templates = pods(list(yaml.safe_load_all(done.stdout)))
        containers = [template["spec"]["containers"][0] for template in templates]
        assert len(templates) == 3
        return (
            {template["metadata"]["annotations"]["release"] for template in templates},
            {container["image"] for container in containers},
            {container["envFrom"][0]["configMapRef"]["name"] for container in containers},
        )

    first, again, other = made("one", "41"), made("one", "42"), made("two", "41")
    config = overlays / "one/config.env"
    config.write_text(config.read_text().replace("DRAIN_SECONDS=10", "DRAIN_SECONDS=11"))
    changed = made("one", "41")

    assert first[:2] == ({"41"}, {"registry.example/orders@sha256:abc"})
    assert again[0] == {"42"}
    assert first[2] == again[2]
    assert len(first[2] | other[2] | changed[2]) == 3
