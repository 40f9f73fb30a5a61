"""Zero-shot scores of the demo model, each beside chance and with a confidence interval.

`python -m workers.clip.demo.evaluate` recomputes the card's table from the committed weights (fetches the emoji
packages once); with `--pictures` it scores the committed pictures only and fetches nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from workers.clip.demo import MODEL, PICTURES
from workers.clip.demo.data import Concept, cache_directory, concepts, fetch, picture, split
from workers.clip.load import load
from workers.clip.model import CLIP
from workers.clip.preprocess import Preprocess, open_image
from workers.clip.prompts import encode_labels

logger = logging.getLogger(__name__)

FEW: Final = 20  # labels in the small choice
RESAMPLES: Final = 2000


@dataclass(frozen=True, slots=True)
class Score:
    """Share of pictures whose own label ranks first, with the 2.5th and 97.5th percentile of a bootstrap."""

    top1: float
    low: float
    high: float
    chance: float

    def __str__(self) -> str:
        return f"{self.top1:.3f} ({self.low:.3f}–{self.high:.3f}), chance {self.chance:.3f}"


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    labels: int
    among_all: Score
    among_few: Score


def score(model: CLIP, preprocess: Preprocess, name: str, images: Sequence[Image.Image], labels: list[str]) -> Result:
    """Zero-shot over the given pairs: one picture for each label, every label a candidate for every picture."""
    with torch.inference_mode():
        pixels = torch.stack([preprocess(image) for image in images])
        features = torch.cat(
            [functional.normalize(model.encode_image(batch), dim=-1) for batch in torch.split(pixels, 64)]
        )
        cosines = features @ encode_labels(model, labels).T  # [n, n], the pair of row i is column i
        better = (cosines > cosines.diag()[:, None]).sum(1).tolist()  # labels that beat the right one, by picture
    n = len(labels)
    among_all = [float(k == 0) for k in better]
    # Exact expectation over all draws of 19 wrong labels: none of the k better ones may be among them.
    few = min(FEW, n)
    among_few = [math.comb(n - 1 - k, few - 1) / math.comb(n - 1, few - 1) for k in better]
    return Result(name, n, _summary(among_all, 1 / n), _summary(among_few, 1 / few))


def _summary(values: list[float], chance: float) -> Score:
    draws = np.random.default_rng(0).choice(np.array(values), (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Score(float(np.mean(values)), float(low), float(high), chance)


def score_concepts(
    model: CLIP, preprocess: Preprocess, held_out: list[Concept], trained: list[Concept], google: Path, twitter: Path
) -> list[Result]:
    """The card's table: unseen concepts by both artists, and as many trained ones by the artist not trained on."""
    sample = trained[: len(held_out)]
    parts = [
        ("unseen concepts, the trained artist (Noto)", held_out, google),
        ("unseen concepts, another artist (Twemoji)", held_out, twitter),
        ("trained concepts, another artist (Twemoji)", sample, twitter),
    ]
    return [
        score(model, preprocess, name, [picture(folder / c.files[0]) for c in part], [c.label for c in part])
        for name, part, folder in parts
    ]


def score_pictures(model: CLIP, preprocess: Preprocess, folder: Path = PICTURES) -> list[Result]:
    """Scores on the committed pictures, by artist and by whether their concept was held out."""
    entries = json.loads((folder / "labels.json").read_text())
    parts = sorted({(e["artist"], e["held_out"]) for e in entries}, key=lambda part: (not part[1], part[0]))
    results = []
    for artist, held_out in parts:
        chosen = [e for e in entries if (e["artist"], e["held_out"]) == (artist, held_out)]
        images = [open_image(folder / e["file"]) for e in chosen]
        name = f"committed pictures, {artist}, {'unseen' if held_out else 'trained'} concepts"
        results.append(score(model, preprocess, name, images, [e["label"] for e in chosen]))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", action="store_true", help="only the committed pictures; fetches nothing")
    parser.add_argument("--model", type=Path, default=MODEL, help="directory of the weights")
    parser.add_argument("--cache", type=Path, default=cache_directory(), help="where the emoji packages are kept")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    model, preprocess = load(arguments.model, device="cpu")
    if arguments.pictures:
        results = score_pictures(model, preprocess)
    else:
        google, twitter = fetch("google", arguments.cache), fetch("twitter", arguments.cache)
        seed = json.loads((arguments.model / "training.json").read_text())["seed"]
        trained, held_out = split(concepts(google), seed)
        results = score_concepts(model, preprocess, held_out, trained, google, twitter)
    for result in results:
        logger.info("%s", result.name)
        logger.info("  top-1 among all %d labels: %s", result.labels, result.among_all)
        logger.info("  top-1 among %d random labels: %s", FEW, result.among_few)


if __name__ == "__main__":
    main()
