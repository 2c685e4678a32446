"""A render's own tests, in full: of the default answers here, of others in test_make_it_yours.py."""

import re

import pytest

from . import engine
from .conftest import Bake


@pytest.mark.slow
def test_a_default_render_passes_its_own_tests(bake: Bake) -> None:
    render = bake()

    done = render.run("make", "test", timeout=900)

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    closing = done.stdout.strip().splitlines()[-1]
    assert re.search(r"\d+ passed", closing), closing
    assert ("skipped" in closing) != engine.ANSWERS, "the checks of the image, and only for want of an engine"
    print(closing)
