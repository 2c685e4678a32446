"""The units for a plain machine, as systemd itself reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Bake

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")


@needs_systemd
def test_systemd_understands_every_line_of_the_units(bake: Bake, tmp_path: Path) -> None:
    units = bake("--accept-hooks", "no").folder / "deploy/systemd"
    for unit, name in (("process@", "order-service@web"), ("process@", "order-service@worker"), ("migrate", "migrate")):
        text = (units / f"{unit}.service").read_text()
        (tmp_path / f"{name}.service").write_text(text.replace("/opt/order-service/bin/python", "/bin/true"))

    done = subprocess.run(
        ["systemd-analyze", "verify", *tmp_path.glob("*.service")], capture_output=True, text=True, timeout=60
    )

    said = [line for line in (done.stdout + done.stderr).splitlines() if str(tmp_path) in line]
    assert (done.returncode, said) == (0, [])


def test_a_unit_may_take_longer_to_end_than_its_process(bake: Bake) -> None:
    """FACTORS IX.9: systemd kills after TimeoutStopSec; by then DRAIN_SECONDS and SHUTDOWN_SECONDS are over."""
    text = (bake("--accept-hooks", "no").folder / "deploy/systemd/process@.service").read_text()

    assert "TimeoutStopSec=40\n" in text
    assert 40 > 5 + 20  # the defaults
