"""Git-LFS pointers: the small text that stands in git for a large file (git-lfs `docs/spec.md`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_POINTER = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,19})\n?"
)


@dataclass(frozen=True)
class Pointer:
    sha256: str
    size: int


def parse(content: bytes) -> Pointer | None:
    """The pointer that a blob holds, or None for an ordinary file."""
    if len(content) > MAX_POINTER:
        return None
    match = _POINTER.fullmatch(content)
    return Pointer(match.group(1).decode(), int(match.group(2))) if match else None


def render(pointer: Pointer) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{pointer.sha256}\nsize {pointer.size}\n".encode()
