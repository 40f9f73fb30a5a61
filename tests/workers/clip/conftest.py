"""A ViT small enough to build in every test, and the committed demo model, read once."""

from __future__ import annotations

import pytest
import torch

from workers.clip import CLIP, CLIPConfig, Preprocess, load
from workers.clip.demo import MODEL

# Every size differs from every other, so that no two can be mistaken for each other unnoticed.
SMALL = CLIPConfig(
    embed_dim=24,
    image_resolution=32,
    vision_patch=8,
    vision_width=48,
    vision_layers=2,
    vision_heads=4,
    vision_mlp=96,
    text_width=40,
    text_layers=3,
    text_heads=5,
    text_mlp=80,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def small() -> CLIP:
    return CLIP(SMALL).reset_parameters().eval()


@pytest.fixture(scope="session")
def demo() -> tuple[CLIP, Preprocess]:
    return load(MODEL, device="cpu")
