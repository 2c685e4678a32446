"""`make mutants`: each proof must fail on a service that violates its factor.

python -m tests.mutants                     every mutant, with the check that is named for it
python -m tests.mutants --against module    every mutant, with all of its factor; writes docs/mutants.md (`make matrix`)
python -m tests.mutants --against suite     every mutant, with all twelve factors: hours
python -m tests.mutants log "port 0"        those whose name or check has one of these texts
"""

import argparse
import sys
import time

from . import page
from .runner import LIMIT_SECONDS, Result, run_mutants
from .table import MUTANTS


def main() -> int:
    """Run what is asked for; return 1 when a mutant has survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("texts", nargs="*", help="only mutants with one of these in their name, factor or check")
    parser.add_argument(
        "--against", choices=list(LIMIT_SECONDS), default="check", help="how much to run on each mutant"
    )
    parser.add_argument("--lanes", type=int, default=4, help="how many at a time")
    options = parser.parse_args()
    wanted = [
        m for m in MUTANTS if not options.texts or any(t in f"{m.factor:02d} {m.name} {m.check}" for t in options.texts)
    ]
    started = time.monotonic()
    results: list[Result] = []
    for result in run_mutants(wanted, min(options.lanes, len(wanted)), options.against):
        results.append(result)
        say = result.why.upper() or "killed"
        also = f" (also: {', '.join(result.also_failed)})" if result.also_failed else ""
        place = f"{len(results):3}/{len(wanted)} {result.seconds:5.1f} s"
        print(
            f"{place}  {result.mutant.factor:2}  {say:8}  {result.mutant.name} → {result.mutant.check}{also}",
            flush=True,
        )
        if options.against == "module":
            page.write_rows([result])  # at once: a run takes most of an hour
    survivors = [result for result in results if result.why]
    print(f"{len(results) - len(survivors)} of {len(results)} mutants killed in {time.monotonic() - started:.0f} s")
    for result in survivors:
        print(f"SURVIVOR  {result.mutant.name} → {result.mutant.check}: {result.why}")
    return 1 if survivors or not results else 0


if __name__ == "__main__":
    sys.exit(main())
