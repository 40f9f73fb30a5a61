"""Labels to text features through prompt templates (Radford et al. 2021, §3.1.4).

A bare class name is read worse than a sentence; the mean over several sentences is read better than any one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from workers.clip.errors import ClipError
from workers.clip.model import CLIP
from workers.clip.tokenizer import tokenize

DEFAULT_TEMPLATES: Final = (
    "{}",
    "a photo of a {}.",
    "a picture of a {}.",
    "a drawing of a {}.",
    "an icon of a {}.",
    "a close-up of a {}.",
    "a photo of the small {}.",
)


def fill(template: str, label: str) -> str:
    """Put a label in place of the template's one `{}`; everything else of both is left as it is.

    Not `str.format`: labels and templates come from callers, and a format string can reach into objects.
    """
    if template.count("{}") != 1:
        raise ClipError("labels.template_invalid", f"the template {template!r} must contain {{}} exactly once")
    return template.replace("{}", label)


@torch.inference_mode()
def encode_labels(
    model: CLIP,
    labels: Sequence[str],
    templates: Sequence[str] = DEFAULT_TEMPLATES,
    *,
    batch_size: int = 256,
    truncate: bool = False,
) -> Tensor:
    """L labels → [L, E] features of length 1: normalise each template's feature, average, normalise again.

    Raises ClipError (`labels.empty`, `labels.template_invalid`) and, if a text is too long and `truncate` is not
    given, RuntimeError like `tokenize`.
    """
    if not labels:
        raise ClipError("labels.empty", "there must be at least one label")
    if not templates:
        raise ClipError("labels.template_invalid", "there must be at least one template; '{}' is the label itself")
    texts = [fill(template, label) for label in labels for template in templates]
    tokens = tokenize(texts, context_length=model.config.context_length, truncate=truncate).to(model.device)
    features = torch.cat(
        [functional.normalize(model.encode_text(batch), dim=-1) for batch in torch.split(tokens, batch_size)]
    )
    return functional.normalize(features.view(len(labels), len(templates), -1).mean(dim=1), dim=-1)
