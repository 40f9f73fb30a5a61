"""`python -m benchmarks [NAME …]`: prints one JSON line for each claim; exits 0 if none is false."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from benchmarks import start
from benchmarks.line import BenchLine

SUITES: dict[str, Callable[[], Iterator[BenchLine]]] = {"start": start.lines}


def main(names: list[str]) -> int:
    unknown = set(names) - SUITES.keys()
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(SUITES)}\n")
        return 2
    failed = False
    for name in names or SUITES:
        for line in SUITES[name]():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            failed = failed or line.held is False
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
