"""The contrastive objective of CLIP (Radford et al. 2021, §2.3 and figure 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def contrastive_loss(logits_per_image: Tensor) -> Tensor:
    """Symmetric InfoNCE over N pairs: mean of the cross-entropies along rows and columns of [N, N] logits, in nats.

    The pair of row i is column i; the other N - 1 count as wrong. Chance is ln N. Source of the one-sided loss:
    van den Oord et al. 2018, arXiv:1807.03748, equation 4.
    """
    n, m = logits_per_image.shape
    if n != m:
        raise ValueError(f"a batch of pairs gives a square matrix, not {n} × {m}")
    pair = torch.arange(n, device=logits_per_image.device)
    return (functional.cross_entropy(logits_per_image, pair) + functional.cross_entropy(logits_per_image.T, pair)) / 2
