"""Patterns of `.gitattributes` and `.gitignore` as far as uploads need them (gitattributes(5), gitignore(5)).

They come from strangers, so they are matched without backtracking: in time proportional to pattern times path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

MAX_RULES = 200
MAX_PATTERN = 1000


def _segment_matches(pattern: str, text: str) -> bool:
    """`*` and `?` within one part of a path; remembers only the last star, which suffices."""
    p = t = 0
    star, resume = -1, 0
    while t < len(text):
        if p < len(pattern) and (pattern[p] == "?" or pattern[p] == text[t]) and pattern[p] != "*":
            p, t = p + 1, t + 1
        elif p < len(pattern) and pattern[p] == "*":
            star, resume, p = p, t, p + 1
        elif star >= 0:
            resume += 1
            p, t = star + 1, resume
        else:
            return False
    return all(character == "*" for character in pattern[p:])


def _prefix_matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the pattern's parts match the whole path, or a directory that it lies in; `**` stands for any number of parts."""
    reachable = {0}
    for index, part in enumerate(pattern):
        if part == "**":
            last = index == len(pattern) - 1
            reachable = {end for start in reachable for end in range(start + last, len(parts) + 1)}
        else:
            reachable = {at + 1 for at in reachable if at < len(parts) and _segment_matches(part, parts[at])}
        if not reachable:
            return False
    return True


class Pattern:
    """One pattern; with a slash within it is anchored at the top, without one it matches a name at any depth."""

    def __init__(self, text: str) -> None:
        text = text[:MAX_PATTERN]
        anchored = "/" in text.rstrip("/")
        self.parts = text.strip("/").split("/")
        if not anchored:
            self.parts = ["**", *self.parts]

    def matches(self, path: str) -> bool:
        return _prefix_matches(self.parts, path.split("/"))


def large_by_attributes(text: str) -> Callable[[str], bool]:
    """Whether `.gitattributes` sends a path through the LFS filter; the last line that matches decides."""
    rules = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith(("#", "[")):
            continue
        decisions = [word == "filter=lfs" for word in words[1:] if word.lstrip("-!").split("=")[0] == "filter"]
        if decisions:
            rules.append((Pattern(words[0]), decisions[-1]))
    rules = rules[-MAX_RULES:]

    def decide(path: str) -> bool:
        return next((large for pattern, large in reversed(rules) if pattern.matches(path)), False)

    return decide


def ignored_by(text: str) -> Callable[[str], bool]:
    """Whether `.gitignore` leaves a path out; the last line that matches decides, `!` takes back."""
    rules = []
    for line in text.splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            rules.append((Pattern(pattern.removeprefix("!")), not pattern.startswith("!")))
    rules = rules[-MAX_RULES:]

    def decide(path: str) -> bool:
        return next((ignored for pattern, ignored in reversed(rules) if pattern.matches(path)), False)

    return decide
