"""What can be known of the mutants without running them: `make mutants` does that."""

import re

from .conftest import TEMPLATE
from .mutants import page
from .mutants.table import MUTANTS, WITHOUT
from .test_template import SERVICE

SUITE = TEMPLATE / SERVICE / "tests" / "factors"


def test_every_mutant_fits_the_code_and_names_a_check() -> None:
    misfits = {mutant.name: problems for mutant in MUTANTS if (problems := mutant.problems(TEMPLATE / SERVICE))}

    assert misfits == {}


def test_mutants_have_names_of_their_own() -> None:
    names = [mutant.name for mutant in MUTANTS]

    assert sorted(names) == sorted(set(names))


def test_the_page_tells_of_every_mutant() -> None:
    assert sorted(page.names()) == sorted(mutant.name for mutant in MUTANTS)


def test_every_check_has_a_mutant_or_a_reason_to_have_none() -> None:
    checks = {
        (int(module.name[5:7]), name)
        for module in SUITE.glob("test_[01]*.py")
        for name in re.findall(r"^def (test_\w+)\(", module.read_text(), re.M)
    }
    caught = {(mutant.factor, mutant.check) for mutant in MUTANTS}
    excused = {(factor, f"test_{check}") for factor, check in WITHOUT}

    assert checks - caught - excused == set()
    assert excused & caught == set()
    assert excused <= checks
