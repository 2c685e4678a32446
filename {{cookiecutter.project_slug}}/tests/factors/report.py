"""`make factors`: what the proofs did and saw, as a table, `factors.json` and a `factors.html` to show to others.

A pytest plugin (`-p tests.factors.report`). It reads what `evidence` has recorded; under xdist as well, since a
test's properties travel with its result.
"""

import html
import json
import re
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.identity import SERVICE, build_commit

ROOT = Path(__file__).parent.parent.parent
MODULE = re.compile(r"test_(\d\d)_\w+\.py")
RULE, DONE, SEEN = "rule", "done", "evidence"  # the properties of a test that end in the report
# The check that tells most about its factor; the table has room for one.
TELLING = {
    1: "commit_and_its_release", 2: "lies_around", 3: "no_output_holds_a_secret", 4: "restarted_server",
    5: "old_release_serves", 6: "kill_of_everything", 7: "http_is_right", 8: "four_workers", 9: "behind_a_balancer",
    10: "same_major", 11: "kill_loses_none", 12: "five_migrations",
}  # fmt: skip


@dataclass
class Check:
    """One test: what it did, what it saw, how it ended."""

    name: str
    done: str
    seen: list[str]
    outcome: str
    seconds: float


@dataclass
class Factor:
    """One of the twelve, with the checks that ran."""

    number: int
    rule: str
    checks: list[Check] = field(default_factory=list)

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if check.outcome not in ("passed", "skipped")]

    @property
    def skipped(self) -> int:
        return sum(check.outcome == "skipped" for check in self.checks)

    @property
    def telling(self) -> Check:
        """The check for the table: one that failed, else the one that tells most."""
        of_choice = [check for check in self.checks if TELLING.get(self.number, "") in check.name and check.seen]
        return [*self.failed, *of_choice, *(check for check in self.checks if check.seen), *self.checks][0]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have the module's rule and the test's own first line travel with the result."""
    if isinstance(item, pytest.Function):
        for name, told in ((RULE, item.module.__doc__), (DONE, item.function.__doc__)):
            item.user_properties.append((name, (told or "").partition("\n")[0].removeprefix("FACTORS ")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table and write the files. pytest calls this once, where the terminal is."""
    factors = _factors(terminalreporter)
    if not factors:
        return
    terminalreporter.section("the twelve factors")
    for line in _table(factors, max(80, min(140, shutil.get_terminal_size().columns))):
        terminalreporter.write_line(line)
    head = {"service": SERVICE, "commit": build_commit(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    rows = [{**asdict(factor), "passed": not factor.failed} for factor in factors]
    (ROOT / "factors.json").write_text(json.dumps({**head, "factors": rows}, indent=2, ensure_ascii=False) + "\n")
    (ROOT / "factors.html").write_text(_page(head, factors))
    terminalreporter.write_line("The same in factors.json and factors.html.")


def _factors(reporter: pytest.TerminalReporter) -> list[Factor]:
    """Every result of the suite, by factor. A fixture that fails at the end of a test that passed fails it."""
    factors: dict[int, Factor] = {}
    checks: dict[str, Check] = {}
    for report in (r for kind in ("passed", "failed", "error", "skipped") for r in reporter.stats.get(kind, [])):
        module = MODULE.search(report.nodeid)
        if module is None or (report.when != "call" and report.passed):
            continue
        told = dict(report.user_properties)
        seen = [text for name, text in report.user_properties if name == SEEN]
        name = report.nodeid.rpartition("::")[2]
        check = checks.setdefault(report.nodeid, Check(name, told.get(DONE, ""), seen, "passed", 0.0))
        check.outcome = report.outcome if report.outcome != "passed" else check.outcome
        check.seconds = round(check.seconds + report.duration, 2)
        factor = factors.setdefault(int(module[1]), Factor(int(module[1]), told.get(RULE, "")))
        if check not in factor.checks:
            factor.checks.append(check)
    return [factors[number] for number in sorted(factors)]


def _table(factors: list[Factor], width: int) -> Iterator[str]:
    """For each factor how many checks passed; of one of them, what was done and what was seen."""
    for factor in factors:
        passed = len(factor.checks) - len(factor.failed) - factor.skipped
        skipped = f", {factor.skipped} skipped: no container engine" * (factor.skipped > 0)
        count = f"{'FAIL' if factor.failed else 'pass'} {passed}/{len(factor.checks)}{skipped}"
        check = factor.telling
        yield f"{factor.rule.partition(':')[0]:{width - len(count)}}{count}"
        seen = "; ".join(check.seen) if not factor.failed else f"{check.outcome}: {check.name}"
        for label, text in (("done: ", check.done), ("seen: ", seen)):
            yield from textwrap.wrap(text, width, initial_indent=f"    {label}", subsequent_indent=" " * 10)


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .4rem .6rem }
tr { border-bottom: 1px solid #ddd } .passed { color: #0a6b2d } .failed, .skipped { color: #b00020; font-weight: 600 }
h2 { font-size: 1.1rem; margin: 2rem 0 .3rem } td:last-child { white-space: nowrap }
"""


def _page(head: dict[str, str], factors: list[Factor]) -> str:
    """A page that needs nothing else: no script, no font, no link out."""
    title = html.escape(f"{head['service']}: the twelve factors, proved")
    checks = [check for factor in factors for check in factor.checks]
    passed = sum(check.outcome == "passed" for check in checks)
    told = html.escape(f"{passed} of {len(checks)} checks passed · commit {head['commit']} · {head['at']}")
    body = "".join(_section(factor) for factor in factors)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>\n'
        f"<h1>{title}</h1>\n<p>{told}</p>\n{body}</html>\n"
    )


def _section(factor: Factor) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(check.done or check.name)}</td><td>{html.escape('; '.join(check.seen))}</td>"
        f'<td class="{check.outcome}">{check.outcome}</td></tr>\n'
        for check in factor.checks
    )
    return f"<h2>{html.escape(factor.rule)}</h2>\n<table><tr><th>done<th>seen<th></tr>\n{rows}</table>\n"
