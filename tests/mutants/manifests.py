"""Violations that show in the files which bring the service to where it runs."""

from .mutant import mutant

WEB = "deploy/kubernetes/base/web.yaml"
ONE = "deploy/kubernetes/overlays/one"

MUTANTS = (
    mutant(
        "each replica migrates before it starts",
        5,
        "a_release_is_a_build_and_a_config_and_migrates_once",
        (
            WEB,
            "      containers:\n",
            "      initContainers:\n        - {name: migrate, args: [migrate]}\n      containers:\n",
        ),
    ),
    mutant(
        "a config that changes under a release",
        5,
        "a_release_is_a_build_and_a_config_and_migrates_once",
        (f"{ONE}/kustomization.yaml", "immutable: true, ", ""),
    ),
    mutant(
        "one deploy has a manifest of its own",
        5,
        "deploys_differ_in_values_only",
        (f"{ONE}/kustomization.yaml", "resources: [../../base]", "resources: [../../base, debug.yaml]"),
    ),
    mutant(
        "a deploy from a checkout",
        5,
        "a_deploy_takes_a_release_and_never_a_checkout",
        (
            ".github/workflows/deploy.yml",
            "      - uses: actions/download-artifact@",
            "      - uses: actions/checkout@v5\n      - uses: actions/download-artifact@",
        ),
    ),
    mutant(
        "killed while it still finishes requests",
        9,
        "every_platform_waits_longer_than_a_stop_takes",
        (WEB, "terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 30"),
    ),
    mutant(
        "a development server on the machine of a developer",
        10,
        "the_formation_of_one_machine_is_that_of_production",
        ("compose.yaml", "    command: [web]\n    ports:", "    command: [web]\n    image: dev-server\n    ports:"),
    ),
)
