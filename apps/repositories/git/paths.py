"""Which paths may stand in a commit, and which names a branch or tag may have.

A path that is harmless here may be written to somebody's disk by a client on another system, so the strictest of them decides
(the classes of CVE-2014-9390 and CVE-2024-32002).
"""

from __future__ import annotations

import re
import unicodedata

from apps.repositories.exceptions import BadPath, BadRef

MAX_PATH = 4096
MAX_DEPTH = 100
MAX_COMPONENT_BYTES = 255
MAX_REF = 250
# Characters that HFS+ leaves out when it compares names.
_IGNORED_BY_HFS = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@=-]*")


def is_dot_git(component: str) -> bool:
    """True for `.git` in every spelling that some file system takes for it."""
    name = component.translate(_IGNORED_BY_HFS).casefold()
    name = re.split(r"[:\\]", name, maxsplit=1)[0].rstrip(". ")
    return name in {".git", "git~1"}


def check_path(path: str) -> str:
    """The path itself, NFC as sent; raises BadPath saying what is wrong with it."""
    shown = path[:80].encode("unicode_escape").decode()
    if not path:
        raise BadPath("A path must not be empty.", path=shown)
    if len(path) > MAX_PATH:
        raise BadPath(f"A path has at most {MAX_PATH} characters; this one has {len(path)}.", path=shown)
    if "\x00" in path or any(unicodedata.category(character) == "Cc" for character in path):
        raise BadPath("A path must not hold control characters.", path=shown)
    if path.startswith("/") or "\\" in path or re.match(r"[A-Za-z]:", path):
        raise BadPath("A path must be relative and use '/' between its parts.", path=shown)
    components = path.split("/")
    if len(components) > MAX_DEPTH:
        raise BadPath(f"A path has at most {MAX_DEPTH} parts.", path=shown)
    for component in components:
        if component in {"", ".", ".."}:
            raise BadPath("A path must not hold empty parts, '.' or '..'.", path=shown)
        if len(component.encode("utf-8", "surrogatepass")) > MAX_COMPONENT_BYTES:
            raise BadPath(f"Each part of a path has at most {MAX_COMPONENT_BYTES} bytes.", path=shown)
        if is_dot_git(component):
            raise BadPath("A path must not lead into '.git'.", path=shown)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise BadPath("A path must be valid Unicode.", path=shown) from error
    return path


def check_ref_name(name: str) -> str:
    """A short branch or tag name that git and every client accept; raises BadRef."""
    bad = (
        len(name) > MAX_REF
        or not _REF.fullmatch(name)
        or ".." in name
        or "//" in name
        or "@{" in name
        or name.endswith(("/", ".", ".lock"))
        or any(part.startswith(".") or part.endswith(".lock") for part in name.split("/"))
        or name.upper() in {"HEAD", "FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD", "NONE"}
        or name.startswith("refs/")
        or re.fullmatch(r"[0-9a-f]{40}", name) is not None
    )
    if bad:
        raise BadRef(f"{name[:80]!r} cannot be the name of a branch or tag.", ref=name[:80])
    return name
