"""docs/mutants.md: for each mutant the check that it fails, and what else of its factor's module it fails."""

from ..conftest import TEMPLATE
from .runner import Result
from .table import MUTANTS

PAGE = TEMPLATE / "docs" / "mutants.md"
HEAD = "| factor | violation | fails | and fails as well |\n|---:|---|---|---|\n"


def write_rows(results: list[Result]) -> None:
    """Put these results into the page's table, in the order of the factors; rows of other mutants stay."""
    prose, _, table = PAGE.read_text().partition(HEAD)
    rows = {name: row for row in table.splitlines() if (name := row.split(" | ")[1])}
    rows |= {result.mutant.name: _row(result) for result in results if not result.why}
    present = [rows[mutant.name] for mutant in sorted(MUTANTS, key=lambda m: m.factor) if mutant.name in rows]
    PAGE.write_text(prose + HEAD + "\n".join(present) + "\n")


def names() -> list[str]:
    """The mutants that the page tells of."""
    return [row.split(" | ")[1] for row in PAGE.read_text().partition(HEAD)[2].splitlines()]


def _row(result: Result) -> str:
    also = ", ".join(f"`{name}`" for name in result.also_failed)
    return f"| {result.mutant.factor} | {result.mutant.name} | `{result.mutant.check}` | {also} |"
