"""Makes the README's pictures: a real `make demo` at a pseudo-terminal, and the tree that it has rendered, as SVG."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

TEMPLATE = Path(__file__).resolve().parent.parent
IMAGES = TEMPLATE / "docs/images"
SERVICE = TEMPLATE / "build/order-service"
WIDTH = 110

NOTES = {
    "docs/factors": "a page for each factor",
    "tests/orders": "of the example",
    "tests/test_….py": "one for each module",
    "src/app": "the service: one module per concern",
    "src/app/web.py": "the composition root",
    "src/app/server.py": "bind, serve, drain, stop in time",
    "src/app/worker.py": "jobs: none lost, none twice",
    "src/app/settings.py": "every variable, with unit and meaning",
    "src/app/orders": "the example domain, yours to replace",
    "src/app/migrations": "ships with the code",
    "tests/factors": "twelve proofs, run on real processes",
    "dev": "PostgreSQL from a wheel; never imported by src/",
    "deploy": "the same image and commands, elsewhere",
    "dev/scale.py": "the same jobs with 1, 2, 4 workers",
    "tests/factors/domain.py": "what the proofs know of orders",
    "Procfile": "the formation: release, web, worker",
    "Dockerfile": "one image for every process",
    "compose.yaml": "production's image and commands on one machine",
}
FOLDED = [Path(name) for name in ("docs/factors", "deploy/kubernetes", "src/app/migrations", "tests/orders", ".github")]


def record_demo() -> str:
    """What a person sees who runs `make demo` and ends it with Ctrl-C."""
    said = bytearray()

    def read(descriptor: int) -> bytes:
        chunk = os.read(descriptor, 65536)
        said.extend(chunk)
        if b"until Ctrl-C" in said and b"\x03sent" not in said:
            said.extend(b"\x03sent")
            os.write(descriptor, b"\x03")
        return chunk

    os.environ["COLUMNS"] = str(WIDTH)
    os.environ.pop("MAKEFLAGS", None)  # of the make that has started this script
    pty.spawn(["make", "--no-print-directory", "demo"], read)
    lines = said.replace(b"\x03sent", b"").replace(b"^C", b"").decode().splitlines()
    return "\n".join(["$ make demo", *(line for line in lines if not line.startswith("make"))])


def save(console: Console, name: str, title: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    svg = console.export_svg(title=title)
    (IMAGES / name).write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL))
    print(f"docs/images/{name}")


def picture_demo(said: str) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for line in said.replace(str(TEMPLATE), "~/cookiecutter-twelve-factor").splitlines():
        text = Text.from_ansi(line)
        text.truncate(WIDTH, overflow="ellipsis")
        console.print(text)
    save(console, "demo.svg", "make demo")


def picture_tree() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "{{cookiecutter.project_slug}}"], cwd=TEMPLATE, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    paths = [Path(name).relative_to("{{cookiecutter.project_slug}}") for name in tracked]
    tree = Tree("[bold]order-service/[/bold]", guide_style="dim")
    branches = {Path(): tree}
    for path in sorted(paths, key=lambda path: (path.parts[0] not in ("src", "tests", "dev"), path)):
        if path.name in ("__init__.py", ".gitignore", ".dockerignore") or "licenses" in path.parts:
            continue
        folded = next((folder / "…" for folder in FOLDED if path.is_relative_to(folder)), path)
        if path.match("tests/test_*.py"):
            folded = Path("tests/test_….py")
        for depth in range(1, len(folded.parts) + 1):
            part = Path(*folded.parts[:depth])
            if part not in branches:
                note = NOTES.get(str(part), "")
                name = part.name + ("/" if depth < len(folded.parts) else "")
                branches[part] = branches[part.parent].add(f"{name}  [dim italic]{note}[/]" if note else name)
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(tree)
    save(console, "tree.svg", "what a render holds")


if __name__ == "__main__":
    os.chdir(TEMPLATE)
    picture_tree()
    picture_demo(record_demo())
    sys.exit(0)
