"""Who this process is: the service's name, its version, and the commit that it was built from."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGE = Path(__file__).parent

SERVICE = (_PACKAGE / "name.txt").read_text().strip()


@cache
def service_version() -> str:
    """The distribution's version; `0` when the package runs without having been installed."""
    try:
        return version(SERVICE)
    except PackageNotFoundError:
        return "0"


@cache
def build_commit() -> str:
    """The commit of this build, as the image's build wrote it down, with `-dirty` when the tree was not clean.

    A checkout that runs without a build answers with its HEAD; anything else with `unknown`. Git itself is
    never called: a running service starts no programs (factor II).
    """
    stamp = _PACKAGE / "commit.txt"
    if stamp.is_file():
        return stamp.read_text().strip() or "unknown"
    return _checkout_head(_PACKAGE.parent.parent / ".git") or "unknown"


def _checkout_head(git: Path) -> str | None:
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        reference = head.removeprefix("ref: ")
        loose = git / reference
        if loose.is_file():
            return loose.read_text().strip()
        packed = (line.split() for line in (git / "packed-refs").read_text().splitlines())
        return next((line[0] for line in packed if line[1:] == [reference]), None)
    except OSError:
        return None
