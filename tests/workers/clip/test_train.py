"""The loss is InfoNCE, and a step of training learns without letting the temperature run away."""

from __future__ import annotations

import math

import pytest
import torch
from torch.optim import SGD

from workers.clip import CLIP, contrastive_loss, tokenize
from workers.clip.train import MAX_LOGIT_SCALE, build_optimizer, cosine_factor, train_step


def test_loss_equals_a_computation_by_hand() -> None:
    # rows: -ln(e²/(e²+e⁰)), -ln(e³/(e¹+e³)); columns: -ln(e²/(e²+e¹)), -ln(e³/(e⁰+e³))
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-2))
    columns = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))
    assert contrastive_loss(logits).item() == pytest.approx((rows + columns) / 4, abs=1e-6)


def test_chance_is_the_log_of_the_batch_size_and_both_directions_count_alike() -> None:
    assert contrastive_loss(torch.zeros(8, 8)).item() == pytest.approx(math.log(8))
    logits = torch.randn(6, 6)
    assert contrastive_loss(logits).item() == pytest.approx(contrastive_loss(logits.T).item(), abs=1e-6)


def test_a_matrix_that_is_no_batch_of_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="2 × 3"):
        contrastive_loss(torch.zeros(2, 3))


def test_eight_pairs_are_learnt_by_heart(small: CLIP) -> None:
    pixels = torch.randn(8, 3, 32, 32)
    tokens = tokenize(["cat", "dog", "house", "tree", "car", "sun", "moon", "fish"])
    optimizer = build_optimizer(small.train(), learning_rate=2e-3, weight_decay=0.1)
    losses = [train_step(small, optimizer, pixels, tokens) for _ in range(40)]
    assert losses[-1] < 0.1 < 1.5 < losses[0]
    with torch.inference_mode():
        logits, _ = small(pixels, tokens)
    assert logits.argmax(dim=1).tolist() == list(range(8))


@pytest.mark.parametrize(("start", "end"), [(9.0, MAX_LOGIT_SCALE), (-3.0, 0.0)])
def test_the_temperature_stays_within_bounds(small: CLIP, start: float, end: float) -> None:
    with torch.no_grad():
        small.logit_scale.fill_(start)
    train_step(small, SGD(small.parameters(), lr=0), torch.randn(2, 3, 32, 32), tokenize(["a", "b"]))
    assert small.logit_scale.item() == pytest.approx(end)
    assert math.exp(MAX_LOGIT_SCALE) == pytest.approx(100)


def test_only_matrices_are_decayed(small: CLIP) -> None:
    decayed, rest = build_optimizer(small, 1e-3, 0.2).param_groups
    names = {id(p): name for name, p in small.named_parameters()}
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.2, 0.0)
    assert len(decayed["params"]) + len(rest["params"]) == len(names)
    left_alone = {names[id(p)] for p in rest["params"]}
    assert {"logit_scale", "text.token_embedding.weight", "visual.ln_pre.weight"} <= left_alone
    assert "visual.conv1.weight" not in left_alone


def test_the_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    factors = [cosine_factor(n, warmup=10, steps=100) for n in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0)
