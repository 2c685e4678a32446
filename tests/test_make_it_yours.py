"""The recipe of docs/make-it-yours.md, carried out as it stands there."""

import re

import pytest

from .conftest import TEMPLATE, Bake

OTHER_ANSWERS = {
    "project_name": 'Claims "Desk"',
    "project_slug": "claims-desk",
    "description": r"Handles claims, C:\new\style.",
    "python_version": "3.11",
    "ci": "gitlab",
    "kubernetes": "no",
    "license": "proprietary",
}

# who commits: a user's git knows, a fresh machine's does not
SOMEBODY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Somebody"), ("EMAIL", "somebody@localhost"))
}


@pytest.mark.slow
def test_the_recipe_replaces_the_example_and_leaves_lint_types_and_tests_green(bake: Bake) -> None:
    recipe = re.findall(r"```sh\n(.*?)```", (TEMPLATE / "docs/make-it-yours.md").read_text(), re.DOTALL)
    render = bake(**OTHER_ANSWERS)

    done = render.run("bash", "-euc", recipe[0], timeout=600, **SOMEBODY)

    assert done.returncode == 0, done.stdout + done.stderr
    left = render.run("git", "grep", "-inE", r"\borders?\b", "--", "src/app/*.py", "tests/*.py").stdout.splitlines()
    assert [line for line in left if not re.search(r"order (by|in which)|order:|good order", line, re.I)] == []
    assert (render.folder / "src/app/claims/routes.py").is_file()
    # signals, outages and images know nothing of orders: they have their turn in test_own_tests.py
    done = render.run("make", "test", "TESTS=-n 4 --maxschedchunk=1 -m 'not race' -k 'not image'", timeout=900)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    print(done.stdout.splitlines()[-1])
