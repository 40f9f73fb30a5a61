"""One training step of CLIP, and the choices around it that decide whether training is stable."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from workers.clip.loss import contrastive_loss
from workers.clip.model import CLIP

# The temperature may not fall below 0.01 (§2.5): beyond it logits grow without the features getting any better.
MAX_LOGIT_SCALE: Final = math.log(100)


def build_optimizer(model: CLIP, learning_rate: float, weight_decay: float) -> AdamW:
    """AdamW that decays matrices only: norms, biases, embeddings and the temperature are left alone (§2.5).

    beta2 and epsilon are the paper's for ViT towers (table 19).
    """
    lookups = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    decayed = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in lookups]
    rest = [p for p in model.parameters() if p.ndim < 2 or id(p) in lookups]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), eps=1e-6)


def cosine_factor(step: int, warmup: int, steps: int) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then half a cosine down to zero (§2.5)."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def train_step(model: CLIP, optimizer: torch.optim.Optimizer, pixels: Tensor, tokens: Tensor) -> float:
    """Learn from N pairs, [N, 3, R, R] pixels and [N, T] ids; returns the loss before the update, in nats."""
    optimizer.zero_grad(set_to_none=True)
    logits_per_image, _ = model(pixels, tokens)
    loss = contrastive_loss(logits_per_image)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
    return loss.item()
