"""Renders the service with the default answers, below build/, for the targets that run one."""

import shutil
import subprocess
import sys
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent.parent
SLUG = "order-service"
KEPT = {".venv", ".postgres", "uv.lock"}  # a second time, everything is installed


def render(folder: str = "") -> Path:
    """Render into build/FOLDER, instead of what was rendered there before."""
    into = TEMPLATE / "build" / folder
    for old in (into / SLUG).glob("*"):
        if old.name not in KEPT:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    cookiecutter = [sys.executable, "-m", "cookiecutter", "--no-input", "--overwrite-if-exists"]
    done = subprocess.run([*cookiecutter, "--output-dir", into, TEMPLATE], cwd=TEMPLATE)
    if done.returncode:
        sys.exit(f"cookiecutter ended with {done.returncode}")
    return into / SLUG
