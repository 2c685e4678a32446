"""Releases on one machine: a build and a config become a release, which runs and can be gone back to (factor V).

make release [CONFIG=FILE]      this commit's image with the config in FILE
make rollback [RELEASE=ID]      the image and the config of an earlier release, as a new one

`releases/ledger.jsonl` is append-only: a line for every release that came up, and none is ever changed. Beside it lies
each one's config, for its owner's eyes: secrets may be in it, and the ledger has only its hash. Needs nothing but
Python, git and Docker Compose.
"""

import argparse
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ROOT / "releases"
LEDGER = RELEASES / "ledger.jsonl"
NAME = (ROOT / "src/app/name.txt").read_text().strip()
PROCESSES = ("web", "worker")


class Refused(Exception):
    """What stands in the way of a release, in one line for a person. What ran before still runs."""


@dataclass(frozen=True)
class Release:
    """A line of the ledger."""

    release: int
    commit: str
    image: str  # the id, a digest of what is in it
    config: str  # SHA-256 of the file beside the ledger
    at: str
    restores: int | None = None  # set by a rollback: the release whose image and config these are

    @property
    def config_file(self) -> Path:
        return RELEASES / f"{self.release}.env"


def main() -> int:
    parser = argparse.ArgumentParser(prog="releases.py")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("release").add_argument("what", metavar="CONFIG")
    commands.add_parser("rollback").add_argument("what", nargs="?", metavar="ID")
    options = parser.parse_args()
    RELEASES.mkdir(mode=0o700, exist_ok=True)
    try:
        with LEDGER.open("a+") as ledger:
            _lock(ledger.fileno())
            ledger.seek(0)
            earlier = [Release(**json.loads(line)) for line in ledger]
            is_new = options.command == "release"
            made, config = release_of(Path(options.what)) if is_new else earlier_one(earlier, options.what)
            new = replace(made, release=len(earlier) + 1)
            _keep(new, config)
            try:
                run(new, earlier[-1] if earlier else None)
            except Refused:
                new.config_file.unlink()
                raise
            ledger.write(json.dumps(asdict(new)) + "\n")
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"Release {new.release} runs: commit {new.commit}, config {new.config[:12]}.")
    return 0


def release_of(config_file: Path) -> tuple[Release, bytes]:
    """This commit's image with a config, not yet numbered. Refuse what nobody could build again."""
    if _output("git", "status", "--porcelain"):
        raise Refused("The tree differs from its last commit: a release is made of a commit. See `git status`.")
    commit = _output("git", "rev-parse", "HEAD")
    image = _output("docker", "images", "--quiet", "--no-trunc", f"{NAME}:{commit}")
    if not image:
        raise Refused(f"There is no image of commit {commit}: `make image` builds it.")
    try:
        config = config_file.read_bytes()
    except OSError as error:
        raise Refused(f"The config {config_file} cannot be read: {error.strerror}.") from None
    return Release(0, commit, image, hashlib.sha256(config).hexdigest(), _now()), config


def earlier_one(earlier: list[Release], wanted: str | None) -> tuple[Release, bytes]:
    """The image and the config of an earlier release, not yet numbered; by default of the one before what runs now."""
    if not earlier:
        raise Refused("There is no release yet, so none to go back to.")
    running = earlier[-1].restores or earlier[-1].release
    made = [one for one in earlier if one.restores is None]
    choice = [one for one in made if str(one.release) == wanted or (wanted is None and one.release < running)]
    if not choice and wanted is None:
        raise Refused(f"Release {running} is the first: there is none to go back to.")
    if not choice:
        raise Refused(f"There is no release {wanted}; there is {', '.join(str(one.release) for one in made)}.")
    found = choice[-1]
    config = found.config_file.read_bytes()
    if hashlib.sha256(config).hexdigest() != found.config:
        raise Refused(f"{found.config_file} is not the config that release {found.release} was made with.")
    if _docker("image", "inspect", found.image).returncode:
        raise Refused(f"The image of release {found.release} is no longer on this machine: {found.image}.")
    return Release(0, found.commit, found.image, found.config, _now(), restores=found.release), config


def run(new: Release, old: Release | None) -> None:
    """Migrate, then replace the processes of the old release; refuse, with the old one running, when it can't be."""
    formation = {name: max(1, len(_compose(new, "ps", "--quiet", name).stdout.split())) for name in PROCESSES}
    _refuse_taken_port(new)
    checked = _compose(new, "run", "--rm", "--no-deps", "--no-TTY", "migrate", "config")
    if checked.returncode:
        raise Refused(f"The config is refused: {_problems(checked.stdout)}")
    if code := _compose(new, "run", "--rm", "--no-TTY", "migrate", show=True).returncode:
        raise Refused(f"`migrate` ended with exit code {code}: nothing was replaced.")
    if reason := _start(new, formation):
        if old is None:
            _compose(new, "rm", "--stop", "--force", *PROCESSES)
            raise Refused(f"The release did not come up: {reason}.")
        _start(old, formation)
        raise Refused(f"The release did not come up, release {old.release} runs again: {reason}.")


def _start(release: Release, formation: dict[str, int]) -> str:
    """Replace what runs by a release, as many of each process as before; return why it failed, or nothing."""
    for name, count in formation.items():
        wait = ["--wait"] if name == "web" else []  # for its health; a worker has no port to be asked at
        options = ["--detach", *wait, "--no-build", "--no-deps", f"--scale={name}={count}"]
        started = _compose(release, "up", *options, name)
        if started.returncode:
            return _last_words(started.stderr)
    return ""


def _compose(release: Release, *arguments: str, show: bool = False) -> subprocess.CompletedProcess[str]:
    settings = {"IMAGE": release.image, "CONFIG": str(release.config_file), "RELEASE": str(release.release)}
    return _docker("compose", "--file", str(ROOT / "compose.yaml"), *arguments, show=show, **settings)


def _docker(*arguments: str, show: bool = False, **settings: str) -> subprocess.CompletedProcess[str]:
    stream = None if show else subprocess.PIPE
    return subprocess.run(["docker", *arguments], env=os.environ | settings, stdout=stream, stderr=stream, text=True)


def _output(*command: str) -> str:
    """What a command prints; its own last words when it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        raise Refused(f"`{command[0]}` is not installed here.") from None
    if done.returncode:
        raise Refused(f"`{' '.join(command[:2])}` failed: {_last_words(done.stderr)}")
    return done.stdout.strip()


def _last_words(output: str) -> str:
    return (output.strip().splitlines() or ["no reason given"])[-1]


def _problems(output: str) -> str:
    """What the service says of a config that it refuses: one event."""
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    found = [f"{name}: {why}" for event in events for name, why in event.get("problems", {}).items()]
    return "; ".join(found) or "the image does not start with it."


def _refuse_taken_port(release: Release) -> None:
    """Refuse when a stranger has the port. PORT may be a range, for several `web`."""
    first = int(os.environ.get("PORT", "8000").partition("-")[0])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", first))
        except OSError:
            if not _compose(release, "ps", "--quiet", "web").stdout.strip():
                raise Refused(f"Port {first} is taken by something else; set PORT to another one.") from None


def _keep(release: Release, config: bytes) -> None:
    """Put the release's own copy of its config beside the ledger."""
    descriptor = os.open(release.config_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, config)
    os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused("Another release is being made on this machine.") from None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main())
