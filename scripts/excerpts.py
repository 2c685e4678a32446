"""`make docs`: put the excerpts into the pages about the factors, and the pages into what is rendered.

A page says `<!-- excerpt FILE | FIRST | LAST -->` before a fenced block: the lines of a file of the service, from the
one that contains FIRST to the one that contains LAST. The same pages, with links that fit there, ship with each render.
"""

import re
import sys
import textwrap
from pathlib import Path

TEMPLATE = Path(__file__).parent.parent
SERVICE = TEMPLATE / "{{cookiecutter.project_slug}}"
PAGES = TEMPLATE / "docs" / "factors"
RENDERED_PAGES = SERVICE / "docs" / "factors"
TO_SERVICE = (
    "../../%7B%7Bcookiecutter.project_slug%7D%7D/"  # as a link from a page of the template; from a render's: ../../
)

EXCERPT = re.compile(r"(<!-- excerpt (.+?) \| (.+?) \| (.+?) -->\n)```(\w*)\n.*?```\n", re.S)


class ExcerptNotFound(Exception):
    """The source has no longer the lines that a page shows."""


def excerpt(file: str, first: str, last: str) -> str:
    """Lines of a file of the service, without their common indentation."""
    lines = (SERVICE / file).read_text().splitlines()
    start = next((at for at, line in enumerate(lines) if first in line), None)
    if start is None:
        raise ExcerptNotFound(f"{file}: {first}")
    end = next((at for at in range(start, len(lines)) if last in lines[at]), None)
    if end is None:
        raise ExcerptNotFound(f"{file}: {last}")
    return textwrap.dedent("\n".join(lines[start : end + 1])) + "\n"


def with_excerpts(page: str) -> str:
    """The page with every excerpt as the source has it now."""
    return EXCERPT.sub(lambda m: f"{m[1]}```{m[5]}\n{excerpt(m[2], m[3], m[4])}```\n", page)


def as_rendered(page: str) -> str:
    """The page for a render: links that lead to its own files, none to the mutants, and no marks of this script."""
    without_marks = re.sub(r"<!-- excerpt .+? -->\n", "", page)
    return re.sub(r"\[([^]]+)\]\(\.\./\.\./tests/mutants/[^)]+\)", r"\1", without_marks).replace(TO_SERVICE, "../../")


def written() -> dict[Path, str]:
    """Every file that this script writes, with its text."""
    pages = {path: with_excerpts(path.read_text()) for path in sorted(PAGES.glob("*.md"))}
    return pages | {RENDERED_PAGES / path.name: as_rendered(text) for path, text in pages.items()}


def main() -> int:
    """Write what has changed, and say so; with `--check` only say so, and return 1 when there is something."""
    only_check = "--check" in sys.argv[1:]
    changed = {path: text for path, text in written().items() if not path.exists() or path.read_text() != text}
    for path, text in changed.items():
        print(path.relative_to(TEMPLATE))
        if not only_check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return int(only_check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
