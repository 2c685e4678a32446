"""Leave a project that is complete: prune what was not asked for, lock the dependencies, make the first commit.

Safe to run again, and never the reason why a render fails: what cannot be done here is said in one line.
"""

import json
import shutil
import subprocess
from pathlib import Path

ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")

# What exists for one answer only: file or folder → (question, the answer that keeps it).
KEPT_FOR = {
    ".github": ("ci", "github"),
    ".gitlab-ci.yml": ("ci", "gitlab"),
    "renovate.json": ("ci", "gitlab"),
    ".github/workflows/deploy.yml": ("kubernetes", "yes"),
    "deploy/kubernetes": ("kubernetes", "yes"),
    "licenses/MIT": ("license", "MIT"),
    "licenses/Apache-2.0": ("license", "Apache-2.0"),
    "licenses/proprietary": ("license", "proprietary"),
}
LOCK_SECONDS = 60  # offline, uv gives up by itself; a proxy that swallows packets would keep it waiting
UPDATE_BY_CRUFT = "_commit"  # in cruft's context only: it renders twice, compares, and must find no commit of ours


def prune() -> None:
    for place, (question, answer) in KEPT_FOR.items():
        path = Path(place)
        if ANSWERS[question] == answer or not path.exists():
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for licence in Path("licenses").glob("*"):
        licence.rename("LICENSE")
    if Path("licenses").is_dir():
        Path("licenses").rmdir()


def run(*command: str, seconds: float = 30) -> bool:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=seconds)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def lock() -> None:
    print("Locking the dependencies ...", flush=True)
    if not run("uv", "lock", "--quiet", seconds=LOCK_SECONDS):
        print("Not locked (no uv, or no network): `make install` makes uv.lock; commit it.")


def commit() -> None:
    """Commit as whoever git knows, or as the author: on a new machine, git knows nobody and refuses."""
    author = ["-c", f"user.name={ANSWERS['author_name']}", "-c", "user.email=author@localhost"]
    commit = ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message=Start from cookiecutter-twelve-factor"]
    begun = run("git", "init", "--quiet", "--initial-branch=main") and run("git", "add", "--all")
    if not (begun and (run("git", *commit) or run("git", *author, *commit))):
        print("Not committed: run `git init && git add --all && git commit`.")


def main() -> None:
    prune()
    if UPDATE_BY_CRUFT in ANSWERS:
        return
    if shutil.which("git") and run("git", "rev-parse", "--is-inside-work-tree"):
        print("Inside a git repository: lock with `uv lock`, then commit what is new.")
        return
    lock()
    commit()


main()
