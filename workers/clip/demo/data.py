"""Emoji as picture–name pairs, split by concept.

Guarantees that no picture of a held-out concept, in whatever gender, skin tone or direction, is in the training part.
The packages are fetched by `npm pack`, in pinned versions whose SHA-512 is checked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import random
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image

logger = logging.getLogger(__name__)

Artist = Literal["google", "twitter"]
VERSION: Final = "15.1.2"
INTEGRITY: Final[dict[Artist, str]] = {
    "google": "RzBMQtclTnSDgjf/QbcNAkgZmA7al3TSnQxKJvZNwdDjOOlYdzBSmkvGYP9ZzHpBS4HBQ8IOQDsueV1YCA64LA==",
    "twitter": "Xz60XJ2v8W1POg8I/UkkxJXw2FnKIPO6y20nFXjHhhGV07MqXYh3O085WaYElW8UAwUgxmASaZxvYiUUepw3qg==",
}
HELD_OUT_SHARE: Final = 1 / 8
# Flags are named after places, swatches after skin, writing after its characters: no name describes what is seen.
LEFT_OUT: Final = frozenset({"country-flag", "subdivision-flag", "skin-tone", "alphanum", "keycap"})

# Words that tell apart variants of one concept, not concepts.
VARIANT_WORDS: Final = frozenset(
    [
        *("man", "woman", "men", "women", "male", "female", "person", "people", "boy", "girl", "adult", "child"),
        *("older", "two", "and", "face", "symbol", "facing", "right"),
    ]
)
# Variants that neither name nor code point betrays.
KIN: Final[dict[str, str]] = {
    "mother christmas": "father christmas",
    "mx claus": "father christmas",
    "princess": "prince",
    "dancer": "dancing",
    "guardsman": "guard",
}
PEOPLE: Final = frozenset({"1F468", "1F469", "1F9D1"})  # man, woman, adult: every profession begins with one of them


@dataclass(frozen=True, slots=True)
class Concept:
    """One idea with all its drawings: the unit that is trained on or held out, never both."""

    label: str
    names: tuple[str, ...]  # parallel to `files`
    captions: tuple[tuple[str, ...], ...]  # parallel to `files`: ways to say what each picture shows
    files: tuple[str, ...]  # file names, the plainest variant first; the same name in both artists' folders


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atrium" / "demo-clip"


def fetch(artist: Artist, cache: Path) -> Path:
    """The folder of one artist's 64-pixel PNGs with `emoji.json` beside them; downloaded once."""
    folder = cache / f"{artist}-{VERSION}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    package = f"emoji-datasource-{artist}"
    archive = cache / f"{package}-{VERSION}.tgz"
    if not archive.exists():
        logger.info("fetching %s@%s", package, VERSION)
        subprocess.run(["npm", "pack", "--silent", f"{package}@{VERSION}"], cwd=cache, check=True, capture_output=True)
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != INTEGRITY[artist]:
        archive.unlink()
        raise RuntimeError(
            f"{archive.name} has SHA-512 {digest}, expected {INTEGRITY[artist]}: it was deleted, try again"
        )
    partial = cache / f"{folder.name}.partial"  # renamed when whole, so that a killed run leaves no half folder
    partial.mkdir(exist_ok=True)
    pictures = f"package/img/{artist}/64/"
    with tarfile.open(archive) as tar:
        for member in tar:
            source = tar.extractfile(member) if member.name.startswith(pictures) else None
            if source is not None:
                (partial / Path(member.name).name).write_bytes(source.read())
        listing = tar.extractfile("package/emoji.json")
        assert listing is not None
        (partial / "emoji.json").write_bytes(listing.read())
    partial.rename(folder)
    return folder


def picture(path: Path) -> Image.Image:
    """One emoji on white, 64 × 64, RGB."""
    with Image.open(path) as image:
        rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def rgba_array(path: Path) -> np.ndarray:
    """One emoji with its transparency: uint8 [4, 64, 64]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA")).transpose(2, 0, 1)


def concepts(folder: Path) -> list[Concept]:
    """Every concept, sorted by label; entries that any relation below ties together are one concept."""
    entries = [e for e in json.loads((folder / "emoji.json").read_text()) if e["subcategory"] not in LEFT_OUT]
    entries = [e for e in entries if e["has_img_google"] and e["has_img_twitter"]]
    groups: dict[str, list[dict[str, object]]] = {}  # relation → the group's entries; several relations share a list
    for entry in entries:
        relations = _relations(entry, folder)
        found = {id(groups[r]): groups[r] for r in relations if r in groups}
        merged = [e for group in found.values() for e in group] + [entry]
        for relation in [*relations, *(r for r, group in groups.items() if id(group) in found)]:
            groups[relation] = merged
    distinct = {id(group): group for group in groups.values()}.values()
    result = [_concept(group) for group in distinct]
    if len({c.label for c in result}) != len(result):
        raise RuntimeError("two concepts have one label")
    return sorted(result, key=lambda c: c.label)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())


def _relations(entry: dict[str, object], folder: Path) -> list[str]:
    """What an entry may share with another of the same concept: name, code point, succession, pixels."""
    name = str(entry["name"]).partition(":")[0].lower()  # "FAMILY: MAN, WOMAN, BOY", "KISS: WOMAN, MAN"
    words = [w for w in _words(KIN.get(name, name)) if w not in VARIANT_WORDS]
    words = ["clock"] if words[:1] == ["clock"] and entry["subcategory"] == "time" else words  # 24 times of day
    unified = str(entry["unified"])
    root = unified.split("-", maxsplit=1)[0]
    relations = [f"name {' '.join(words)}", f"code {unified}"]
    if root not in PEOPLE:
        relations.append(f"root {root}")
    relations += [f"code {entry[field]}" for field in ("obsoletes", "obsoleted_by") if entry.get(field)]
    pixels = hashlib.sha256(rgba_array(folder / str(entry["image"])).tobytes()).hexdigest()
    return [*relations, f"pixels {pixels}"]


def _plainness(entry: dict[str, object]) -> tuple[int, bool, str]:
    """Sorts the neutral variant first: fewest code points, no word of gender or direction."""
    unified = str(entry["unified"])
    return unified.count("-"), bool(VARIANT_WORDS & set(_words(str(entry["name"])))), unified


def _concept(entries: list[dict[str, object]]) -> Concept:
    files, names, captions = [], [], []
    for entry in sorted(entries, key=_plainness):
        name = str(entry["name"]).lower()
        shorts = [re.sub(r"[_-]+", " ", s) for s in _strings(entry["short_names"])]
        topic = str(entry["subcategory"]).replace("-", " ")
        texts = tuple(dict.fromkeys([name, *shorts, f"{name}, {topic}", f"{shorts[0]}, {topic}"]))
        variations = entry.get("skin_variations") or {}
        assert isinstance(variations, dict)
        for drawing in [entry, *variations.values()]:
            if drawing["has_img_google"] and drawing["has_img_twitter"]:
                files.append(str(drawing["image"]))
                names.append(name)
                captions.append(texts)
    return Concept(names[0], tuple(names), tuple(captions), tuple(files))


def _strings(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(item) for item in value]


def split(everything: list[Concept], seed: int) -> tuple[list[Concept], list[Concept]]:
    """(training, held out): the first eighth of a seeded shuffle is held out, in shuffled order."""
    shuffled = list(everything)
    random.Random(seed).shuffle(shuffled)
    n = round(len(shuffled) * HELD_OUT_SHARE)
    return shuffled[n:], shuffled[:n]
