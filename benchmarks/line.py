"""The line that every benchmark prints: a larger ratio is better, and the bar is its minimum."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

# A wall-clock bar that is missed by less than this share says more about the machine than about us.
NOISE = 0.10


@dataclass(frozen=True)
class BenchLine:
    name: str
    value: float
    rival: float
    ratio: float
    bar: float
    held: bool | Literal["not-shown"]

    def __str__(self) -> str:
        return json.dumps(asdict(self))


def limit(name: str, value: float, maximum: float, *, wall_clock: bool = True) -> BenchLine:
    """An absolute limit: the ratio is limit / value, its bar 1."""
    ratio = maximum / value
    held: bool | Literal["not-shown"] = ratio >= 1
    if not held and wall_clock and ratio >= 1 - NOISE:
        held = "not-shown"
    return BenchLine(name, round(value, 2), maximum, round(ratio, 3), 1.0, held)
