"""Load on loopback by wrk, a load generator in C that costs the machine a small part of what the services do."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
INSTALL = "The bench needs wrk (https://github.com/wg/wrk): `apt-get install wrk`, `brew install wrk`."
ORDER = json.dumps({"item": "teapot", "quantity": 2})


@dataclass(frozen=True)
class Scenario:
    """One kind of request. `ids` are appended to the path in turn; a `body` makes it a POST."""

    name: str
    path: str
    ids: Path | None = None
    body: str | None = None


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int  # answered with 4xx or 5xx
    broken: int  # not answered

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def require_wrk() -> None:
    """End the bench with what to install."""
    if shutil.which("wrk") is None:
        raise SystemExit(INSTALL)


def put_load(url: str, scenario: Scenario, seconds: int, connections: int = 16) -> Load:
    """Send requests as fast as they are answered, over so many connections, for so long."""
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--timeout=30s"]
    command += [f"--script={SCRIPT}", url + scenario.path, "--", str(scenario.ids or "-"), scenario.body or "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return Load(**json.loads(line.removeprefix("RESULT ")))
