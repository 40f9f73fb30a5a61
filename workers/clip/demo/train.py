"""Trains the demo model from nothing and writes everything that is committed: weights, card, curve, pictures.

`python -m workers.clip.demo.train` takes under 15 minutes on 2 idle cores. The seed is fixed: one machine with one torch
release repeats its losses. Other processors round differently, which grows over the steps; how far scores then move is
bounded by nothing but the card's intervals.
"""

from __future__ import annotations

import argparse
import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from workers.clip.demo import MODEL, PICTURES
from workers.clip.demo.augment import vary
from workers.clip.demo.card import write_card
from workers.clip.demo.data import Concept, cache_directory, concepts, fetch, picture, rgba_array, split
from workers.clip.demo.evaluate import FEW, score, score_concepts
from workers.clip.demo.export import write_model, write_pictures
from workers.clip.model import CLIP, CLIPConfig
from workers.clip.preprocess import MEAN, STD, Preprocess
from workers.clip.prompts import DEFAULT_TEMPLATES, fill
from workers.clip.tokenizer import tokenize
from workers.clip.train import build_optimizer, cosine_factor, train_step

logger = logging.getLogger(__name__)

# Sized by two limits. 12 MB in fp16 with the standard vocabulary: its 49,408 rows × 64 alone are 6.3 MB. 15 minutes on
# 2 cores: 48 pixels are 37 tokens, which gives twice the steps of 64 pixels, and steps were worth more than pixels.
CONFIG: Final = CLIPConfig(
    embed_dim=128,
    image_resolution=48,
    vision_patch=8,
    vision_width=192,
    vision_layers=4,
    vision_heads=3,
    vision_mlp=768,
    text_width=64,
    text_layers=2,
    text_heads=2,
    text_mlp=256,
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    seed: int = 0
    steps: int = 600  # unseen scores level off earlier, those on the other artist's drawings still rise
    batch: int = 256  # out of some 1,100 training concepts, so that no concept is twice in one batch
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    warmup: int = 50
    threads: int = 2  # part of the recipe: sums are split among threads, so their number shows in the last digits


@dataclass(slots=True)
class History:
    """What a run leaves for the card."""

    losses: list[float] = field(default_factory=list)  # nats, one for each step
    scores: list[tuple[int, float]] = field(default_factory=list)  # (steps done, top-1 among 20 unseen labels)
    seconds: float = 0.0


def batches(trained: list[Concept], folder: Path, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of varied pictures [N, 3, R, R] and tokens [N, T]; each concept at most once in a batch."""
    drawings = [torch.stack([torch.from_numpy(rgba_array(folder / f).copy()) for f in c.files]) for c in trained]
    chooser, generator = random.Random(recipe.seed), torch.Generator().manual_seed(recipe.seed)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    order: list[int] = []
    while True:
        if len(order) < recipe.batch:  # the rest of an epoch is dropped
            order = chooser.sample(range(len(trained)), len(trained))
        chosen, order = order[: recipe.batch], order[recipe.batch :]
        picked = [(n, chooser.randrange(len(trained[n].files))) for n in chosen]
        pixels = vary(torch.stack([drawings[n][file] for n, file in picked]), CONFIG.image_resolution, generator)
        texts = [fill(chooser.choice(DEFAULT_TEMPLATES), chooser.choice(trained[n].captions[f])) for n, f in picked]
        yield (pixels - mean) / std, tokenize(texts)


def train(trained: list[Concept], held_out: list[Concept], folder: Path, recipe: Recipe) -> tuple[CLIP, History]:
    """A model trained on `trained`; `held_out` is only scored now and then, for the curve, and decides nothing."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    model = CLIP(CONFIG).reset_parameters()
    # A word that training never shows stays at zero: it says nothing, where a random row would say something.
    nn.init.zeros_(model.text.token_embedding.weight)
    optimizer = build_optimizer(model, recipe.learning_rate, recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: cosine_factor(n, recipe.warmup, recipe.steps))
    unseen = [picture(folder / c.files[0]) for c in held_out]
    preprocess, history, source = Preprocess(CONFIG.image_resolution), History(), batches(trained, folder, recipe)
    begin = time.monotonic()
    for step in range(1, recipe.steps + 1):
        history.losses.append(train_step(model, optimizer, *next(source)))
        schedule.step()
        if step % 50 == 0 or step == recipe.steps:
            result = score(model, preprocess, "curve", unseen, [c.label for c in held_out])
            history.scores.append((step, result.among_few.top1))
        if step % 10 == 0:
            elapsed = time.monotonic() - begin
            minutes, seconds = divmod(round(elapsed / step * (recipe.steps - step)), 60)
            shown = f"{history.scores[-1][1]:.3f}" if history.scores else "-"
            logger.info(
                "step %d/%d  loss %.3f  unseen top-1 of %d: %s  %.2f s/step  ETA %d:%02d",
                step, recipe.steps, history.losses[-1], FEW, shown, elapsed / step, minutes, seconds,
            )  # fmt: skip
    history.seconds = time.monotonic() - begin
    return model.eval(), history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=cache_directory(), help="where the emoji packages are kept")
    parser.add_argument("--output", type=Path, default=MODEL, help="directory for weights and card")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="directory for the held-out pictures")
    parser.add_argument("--steps", type=int, default=Recipe.steps, help="fewer for a trial run")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    recipe = Recipe(steps=arguments.steps)
    google, twitter = fetch("google", arguments.cache), fetch("twitter", arguments.cache)
    trained, held_out = split(concepts(google), recipe.seed)
    logger.info("%d concepts to train on, %d held out", len(trained), len(held_out))
    model, history = train(trained, held_out, google, recipe)
    model = write_model(model, arguments.output)  # as it reads back: fp16 is what the scores must be of
    write_pictures(held_out, trained, google, twitter, arguments.pictures)
    results = score_concepts(model, Preprocess(CONFIG.image_resolution), held_out, trained, google, twitter)
    write_card(arguments.output, recipe, history, results, len(trained), len(held_out))
    for result in results:
        logger.info("%s: %s among %d; %s among %d", result.name, result.among_all, result.labels, result.among_few, FEW)


if __name__ == "__main__":
    main()
