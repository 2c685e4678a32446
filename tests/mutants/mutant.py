"""A mutant: a few lines of the service, changed so that one factor no longer holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class OldTextNotFound(Exception):
    """The service has changed: the mutant would change nothing, or something else."""


@dataclass(frozen=True)
class Change:
    """`old` becomes `new` in a file of the render, once. An empty `old` makes the file."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A violation, and the test of `tests/factors/test_NN_*.py` that fails because of it."""

    name: str
    factor: int
    check: str
    changes: tuple[Change, ...]

    def problems(self, service: Path) -> list[str]:
        """Why this mutant does not fit the service's code; empty when it does."""
        found = []
        for change in self.changes:
            path = service / change.file
            if not change.old:
                if path.exists():
                    found.append(f"{change.file} exists")
            elif (times := path.read_text().count(change.old) if path.exists() else 0) != 1:
                found.append(f"{change.file} has {change.old!r} {times} times")
        if not any(f"def {self.check}(" in path.read_text() for path in modules(service, self.factor)):
            found.append(f"no test {self.check}")
        return found

    def module(self, service: Path) -> str:
        """The factor's module, as pytest is told of it."""
        return str(modules(service, self.factor)[0].relative_to(service))

    @contextmanager
    def applied(self, service: Path) -> Iterator[None]:
        """While this block lasts, the service violates the factor. Raise `OldTextNotFound` when it has changed."""
        if problems := self.problems(service):
            raise OldTextNotFound("; ".join(problems))
        before = {change.file: _read(service / change.file) for change in self.changes}
        try:
            for change in self.changes:
                path = service / change.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(path.read_text().replace(change.old, change.new) if change.old else change.new)
            yield
        finally:
            for file, text in before.items():
                (service / file).unlink() if text is None else (service / file).write_text(text)


def modules(service: Path, factor: int) -> list[Path]:
    """The modules of a factor in the render's suite: one."""
    return list((service / "tests" / "factors").glob(f"test_{factor:02d}_*.py"))


def mutant(name: str, factor: int, check: str, *changes: tuple[str, str, str]) -> Mutant:
    """As the table writes it: each change is file, old text, new text."""
    return Mutant(name, factor, f"test_{check}", tuple(Change(*change) for change in changes))


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
