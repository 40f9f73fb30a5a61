"""Our CLIP against transformers' CLIPModel, an implementation by other people of the same published model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional
from transformers import CLIPConfig as TheirConfig
from transformers import CLIPModel as TheirModel
from transformers import CLIPProcessor

from workers.clip import CLIP, Preprocess, load, tokenize
from workers.clip.demo import MODEL
from workers.clip.demo.export import huggingface_config
from workers.clip.weights import from_huggingface, infer_config, to_huggingface

TOLERANCE = 1e-5  # on features of length 1, in fp32
TEXTS = ["a cat", "a photo of a small, slightly annoyed dog.", "", "x"]


def theirs_like(model: CLIP, activation: str = "quick_gelu") -> Any:
    config = huggingface_config(model.config)
    for tower in ("text_config", "vision_config"):
        config[tower]["hidden_act"] = activation
    return TheirModel(TheirConfig.from_dict({**config, "dtype": "float32"})).eval()


def spread(model: torch.nn.Module) -> None:
    """Give norms and biases values that matter: fresh ones are ones and zeros, which hide a swapped pair."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return (functional.normalize(a, dim=-1) - functional.normalize(b, dim=-1)).abs().max().item()


def their_features(model: Any, pixels: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Through the towers and projections: the convenience methods changed what they return between releases."""
    image = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    text = model.text_projection(model.text_model(input_ids=tokens).pooler_output)
    return image, text


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@torch.inference_mode()
def test_features_equal_transformers_on_shared_random_weights(small: CLIP, activation: Any) -> None:
    theirs = theirs_like(small, activation)
    spread(theirs)
    config = infer_config(theirs.state_dict(), vision_heads=4, text_heads=5, activation=activation)
    ours = from_huggingface(theirs.state_dict(), config)
    pixels, tokens = torch.randn(3, 3, 32, 32), tokenize(TEXTS)

    image, text = their_features(theirs, pixels, tokens.long())
    assert difference(ours.encode_image(pixels), image) <= TOLERANCE
    assert difference(ours.encode_text(tokens), text) <= TOLERANCE
    logits_per_image, logits_per_text = ours(pixels, tokens)
    expected = theirs(input_ids=tokens.long(), pixel_values=pixels)
    torch.testing.assert_close(logits_per_image, expected.logits_per_image, rtol=0, atol=1e-3)
    torch.testing.assert_close(logits_per_text, expected.logits_per_text, rtol=0, atol=1e-3)


def test_weights_survive_a_round_trip_through_the_other_layout(small: CLIP) -> None:
    spread(small)
    state = to_huggingface(small)
    assert set(state) == {n for n in theirs_like(small).state_dict() if not n.endswith("position_ids")}
    config = infer_config(state, vision_heads=4, text_heads=5)
    assert config == small.config
    again = from_huggingface(state, config).state_dict()
    for name, tensor in small.state_dict().items():
        assert torch.equal(again[name], tensor), name


@torch.inference_mode()
def test_the_demo_model_gives_the_same_features_in_transformers(demo: tuple[CLIP, Preprocess]) -> None:
    ours, preprocess = demo
    theirs: Any = TheirModel.from_pretrained(MODEL, dtype=torch.float32).eval()
    processor: Any = CLIPProcessor.from_pretrained(MODEL, use_fast=False)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    images = [Image.fromarray(noise), Image.new("RGB", (64, 64), "red")]
    inputs = processor(text=TEXTS, images=images, return_tensors="pt", padding=True)
    pixels = torch.stack([preprocess(image) for image in images])
    assert (inputs["pixel_values"] - pixels).abs().max() <= 1e-5

    image, text = their_features(theirs, inputs["pixel_values"], inputs["input_ids"])
    assert difference(ours.encode_image(pixels), image) <= TOLERANCE
    assert difference(ours.encode_text(tokenize(TEXTS)), text) <= TOLERANCE


@torch.inference_mode()
def test_padding_behind_the_end_token_changes_nothing(small: CLIP) -> None:
    spread(small)
    together = small.encode_text(tokenize(["a cat", "a very much longer text about a cat that sat on a mat"]))
    alone = small.encode_text(tokenize("a cat"))
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-5)
    padded = tokenize("a cat")
    padded[padded == 0] = 49407  # as transformers pads
    torch.testing.assert_close(small.encode_text(padded), alone, rtol=0, atol=1e-5)


def test_a_directory_loads_with_its_own_heads_and_normalisation(demo: tuple[CLIP, Preprocess], tmp_path: Path) -> None:
    for source in MODEL.iterdir():
        (tmp_path / source.name).symlink_to(source)
    (tmp_path / "preprocessor_config.json").unlink()
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [1, 1, 1]}')
    model, preprocess = load(tmp_path, device="cpu")
    assert (model.config.vision_heads, model.config.text_heads) == (3, 2)
    assert preprocess == Preprocess(48, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
