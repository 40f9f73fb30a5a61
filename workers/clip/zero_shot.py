"""Zero-shot classification: pictures and labels in, ranked scores out (Radford et al. 2021, §3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional

from workers.clip.model import CLIP
from workers.clip.prompts import DEFAULT_TEMPLATES, encode_labels


@dataclass(frozen=True, slots=True)
class LabelScore:
    label: str
    score: float  # probability, 0–1; those of one picture sum to 1 over all labels


def rank(
    model: CLIP,
    images: Iterable[Tensor],
    labels: Sequence[str],
    templates: Sequence[str] = DEFAULT_TEMPLATES,
    *,
    batch_size: int = 32,
    top_k: int | None = None,
) -> Iterator[list[LabelScore]]:
    """For each picture [3, R, R] from `Preprocess`, all labels or the best `top_k`, best first.

    Scores are the softmax over all labels of cosine × exp(logit_scale). Labels are encoded once and pictures taken
    `batch_size` at a time, so that a long iterator needs little memory. Equal scores keep the order of `labels`.

    Raises ClipError (`labels.empty`, `labels.template_invalid`) at the call, before the first picture is taken;
    RuntimeError if a label is too long.
    """
    return rank_features(model, images, labels, encode_labels(model, labels, templates), batch_size, top_k)


def rank_features(
    model: CLIP, images: Iterable[Tensor], labels: Sequence[str], features: Tensor, batch_size: int, top_k: int | None
) -> Iterator[list[LabelScore]]:
    """`rank` with label features [L, E] that were encoded before, for callers who keep them."""
    source = iter(images)
    while batch := list(islice(source, batch_size)):
        for row in probabilities(model, torch.stack(batch), features):
            order = row.argsort(descending=True, stable=True)[:top_k]
            yield [LabelScore(labels[n], row[n].item()) for n in order.tolist()]


@torch.inference_mode()
def probabilities(model: CLIP, pixels: Tensor, features: Tensor) -> Tensor:
    """[B, 3, R, R] pixels and [L, E] label features of length 1 → [B, L] probabilities in fp32, on the CPU."""
    image = functional.normalize(model.encode_image(pixels.to(model.device)), dim=-1)
    logits = model.logit_scale.exp() * image @ features.T
    return logits.float().softmax(dim=-1).cpu()
