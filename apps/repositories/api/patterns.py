"""Patterns of `.gitattributes` and `.gitignore` as far as uploads need them (gitattributes(5), gitignore(5))."""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_LINES = 2000


def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern with a slash is anchored at the top; one without matches a name at any depth."""
    anchored = "/" in pattern.rstrip("/")
    body, position = "", 0
    text = pattern.strip("/")
    while position < len(text):
        rest = text[position:]
        if rest.startswith("**/"):
            body, position = body + "(?:.*/)?", position + 3
        elif rest.startswith("**"):
            body, position = body + ".*", position + 2
        elif rest[0] == "*":
            body, position = body + "[^/]*", position + 1
        elif rest[0] == "?":
            body, position = body + "[^/]", position + 1
        else:
            body, position = body + re.escape(rest[0]), position + 1
    return re.compile(("" if anchored else "(?:.*/)?") + body + r"(?:/.*)?", re.DOTALL)


def large_by_attributes(text: str) -> Callable[[str], bool]:
    """Whether `.gitattributes` sends a path through the LFS filter; the last line that matches decides."""
    rules = []
    for line in text.splitlines()[:MAX_LINES]:
        words = line.split()
        if len(words) < 2 or words[0].startswith(("#", "[")):
            continue
        decisions = [word == "filter=lfs" for word in words[1:] if word.lstrip("-!").split("=")[0] == "filter"]
        if decisions:
            rules.append((_regex(words[0]), decisions[-1]))

    def decide(path: str) -> bool:
        return next((large for pattern, large in reversed(rules) if pattern.fullmatch(path)), False)

    return decide


def ignored_by(text: str) -> Callable[[str], bool]:
    """Whether `.gitignore` leaves a path out; the last line that matches decides, `!` takes back."""
    rules = []
    for line in text.splitlines()[:MAX_LINES]:
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            rules.append((_regex(pattern.removeprefix("!")), not pattern.startswith("!")))

    def decide(path: str) -> bool:
        return next((ignored for pattern, ignored in reversed(rules) if pattern.fullmatch(path)), False)

    return decide
