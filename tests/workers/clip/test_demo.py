"""The committed demo model is small, loads anywhere, and knows something about pictures that it never saw."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from workers.clip import CLIP, Preprocess
from workers.clip.demo import MODEL, PICTURES
from workers.clip.demo.augment import vary
from workers.clip.demo.card import curve
from workers.clip.demo.data import Concept, concepts, split
from workers.clip.demo.evaluate import score, score_pictures
from workers.clip.demo.train import History

LABELS = json.loads((PICTURES / "labels.json").read_text())


def test_scores_on_committed_held_out_pictures_are_three_times_chance(demo: tuple[CLIP, Preprocess]) -> None:
    results = {result.name: result for result in score_pictures(*demo)}
    unseen = results["committed pictures, noto, unseen concepts"]
    assert unseen.labels >= 20
    assert unseen.among_all.top1 >= 3 * unseen.among_all.chance
    assert unseen.among_few.top1 >= 3 * unseen.among_few.chance


def test_the_card_says_how_it_was_made() -> None:
    card = (MODEL / "README.md").read_text()
    training = json.loads((MODEL / "training.json").read_text())
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "pipeline_tag: zero-shot-image-classification" in card
    assert f"seed {training['seed']}, {training['steps']} steps" in card
    assert training["seconds"] <= 15 * 60


def test_the_committed_model_is_small() -> None:
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 12_000_000


def test_the_committed_pictures_are_few_small_and_of_both_kinds() -> None:
    files = {path.name for path in PICTURES.glob("*.png")}
    assert {entry["file"] for entry in LABELS} == files
    assert len(files) <= 60
    kinds = {(entry["artist"], entry["held_out"]) for entry in LABELS}
    assert kinds == {("noto", True), ("twemoji", False)}
    for file in files:
        with Image.open(PICTURES / file) as image:
            assert (image.size, image.mode) == ((64, 64), "RGB")
    assert (PICTURES / "LICENSE-NOTO.txt").exists()
    assert (PICTURES / "ATTRIBUTION.md").exists()


def test_the_split_is_disjoint_and_depends_on_the_seed_alone() -> None:
    everything = [Concept(str(n), (str(n),), ((str(n),),), (f"{n}.png",)) for n in range(80)]
    trained, held_out = split(everything, 0)
    assert len(held_out) == 10
    assert {c.label for c in trained} | {c.label for c in held_out} == {c.label for c in everything}
    assert not {c.label for c in trained} & {c.label for c in held_out}
    random.random()
    assert split(everything, 0) == (trained, held_out)
    assert split(everything, 1)[1] != held_out


def test_the_score_among_few_equals_drawing_the_wrong_labels_at_random(demo: tuple[CLIP, Preprocess]) -> None:
    model, preprocess = demo
    generator = np.random.default_rng(0)
    images = [Image.fromarray(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(40)]
    result = score(model, preprocess, "noise", images, [f"label {n}" for n in range(40)])
    # Noise knows nothing: the expectation over draws must lie near chance, and far above the score among all.
    assert result.among_few.low <= 0.05 <= result.among_few.high
    assert result.among_few.chance == 0.05
    assert result.among_all.chance == 1 / 40


def test_variation_keeps_shape_and_range_and_repeats_with_its_generator() -> None:
    rgba = torch.randint(0, 256, (6, 4, 64, 64), dtype=torch.uint8)
    one = vary(rgba, 48, torch.Generator().manual_seed(1))
    assert one.shape == (6, 3, 48, 48)
    assert one.min() >= 0
    assert one.max() <= 1
    assert torch.equal(one, vary(rgba, 48, torch.Generator().manual_seed(1)))
    assert not torch.equal(one, vary(rgba, 48, torch.Generator().manual_seed(2)))


def entry(unified: str, name: str, colour: str, **more: Any) -> dict[str, Any]:
    image = f"{unified.lower()}.png"
    has = {"has_img_google": True, "has_img_twitter": True}
    short_names = [name.lower().replace(" ", "_")]
    values = {"unified": unified, "name": name, "image": image, "short_names": short_names, "subcategory": "thing"}
    return {**values, **has, "colour": colour, **more}


def test_variants_of_one_concept_are_never_split_up(tmp_path: Path) -> None:
    tones = {"1F3FB": {"image": "tone.png", "has_img_google": True, "has_img_twitter": True, "colour": "tan"}}
    entries = [
        entry("1F468-200D-1F33E", "MAN FARMER", "red"),
        entry("1F9D1-200D-1F33E", "FARMER", "green", skin_variations=tones),
        entry("1F469-200D-1F373", "WOMAN COOK", "blue"),  # begins like every woman, yet is no farmer
        entry("1F3C3", "RUNNER", "yellow"),
        entry("1F3C3-200D-2640-FE0F", "WOMAN RUNNING", "orange"),
        entry("1F646", "FACE WITH OK GESTURE", "pink", obsoleted_by="1F647"),
        entry("1F647", "WOMAN GESTURING OK", "brown"),
        entry("1F000", "DOT", "purple"),
        entry("1F001", "POINT", "purple"),  # the same pixels
        entry("1F002", "FLAG OF SOMEWHERE", "cyan", subcategory="country-flag"),
        entry("1F003", "DRAWN BY ONE ARTIST", "navy", has_img_twitter=False),
    ]
    for drawing in [*entries, *tones.values()]:
        Image.new("RGB", (64, 64), drawing["colour"]).save(tmp_path / drawing["image"])
    (tmp_path / "emoji.json").write_text(json.dumps(entries))

    found = {concept.label: concept for concept in concepts(tmp_path)}
    assert {label: set(concept.names) for label, concept in found.items()} == {
        "farmer": {"farmer", "man farmer"},
        "woman cook": {"woman cook"},
        "runner": {"runner", "woman running"},
        "face with ok gesture": {"face with ok gesture", "woman gesturing ok"},
        "dot": {"dot", "point"},
    }
    assert found["farmer"].files == ("1f9d1-200d-1f33e.png", "tone.png", "1f468-200d-1f33e.png")
    assert found["woman cook"].captions == (("woman cook", "woman cook, thing"),)


@pytest.mark.parametrize("steps", [4, 25])
def test_the_curve_is_well_formed(steps: int) -> None:
    history = History([5.0 - n / 10 for n in range(steps)], [(steps, 0.25)], 1.0)
    root = ElementTree.fromstring(curve(history))
    assert root.tag.endswith("svg")
