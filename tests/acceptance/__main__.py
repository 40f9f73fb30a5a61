"""`python -m tests.acceptance AREA [NUMBER …]`: runs an area's lines, prints each with its figures, exits 0 only if all held."""

from __future__ import annotations

import importlib
import sys
import time

from tests.acceptance.lines import Line, Outcome


def main(arguments: list[str]) -> int:
    if not arguments:
        sys.stderr.write("usage: python -m tests.acceptance AREA [NUMBER …]\n")
        return 2
    area, *wanted = arguments
    lines: list[Line] = importlib.import_module(f"tests.acceptance.{area}").LINES
    results: list[tuple[Line, bool]] = []
    for line in lines:
        if wanted and line.number not in wanted:
            continue
        started = time.monotonic()
        sys.stdout.write(f"\n{line.number}. {line.claim}\n")
        sys.stdout.flush()
        try:
            outcome = line.show()
        except Exception as error:  # noqa: BLE001  # a line that breaks has not held, and the others still run
            outcome = Outcome(False, f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - started
        word = "held" if outcome.held else "NOT HELD"
        sys.stdout.write("".join(f"   {text}\n" for text in outcome.figures.splitlines()))
        sys.stdout.write(f"   {word} ({seconds:.0f} s)\n")
        sys.stdout.flush()
        results.append((line, outcome.held))
    sys.stdout.write("\nSummary\n")
    for line, held in results:
        sys.stdout.write(f"  {line.number:>3}  {'held' if held else 'NOT HELD':8}  {line.claim}\n")
    return 0 if results and all(held for _, held in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
