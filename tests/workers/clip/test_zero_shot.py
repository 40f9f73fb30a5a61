"""Prompt ensembles and ranking do what §3.1 of the paper says, for any iterator of pictures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional

from workers.clip import CLIP, DEFAULT_TEMPLATES, ClipError, encode_labels, rank, tokenize

LABELS = ["cat", "dog", "house"]


def test_an_ensemble_is_the_normalised_mean_of_normalised_features(small: CLIP) -> None:
    templates = ["{}", "a photo of a {}."]
    with torch.inference_mode():
        expected = []
        for label in LABELS:
            one, two = (
                functional.normalize(small.encode_text(tokenize(t.replace("{}", label))), dim=-1) for t in templates
            )
            expected.append(functional.normalize(one + two, dim=-1))
    features = encode_labels(small, LABELS, templates)
    torch.testing.assert_close(features, torch.cat(expected), rtol=0, atol=1e-6)
    torch.testing.assert_close(features.norm(dim=-1), torch.ones(3))


def test_features_do_not_depend_on_the_batch_size(small: CLIP) -> None:
    assert len(set(DEFAULT_TEMPLATES)) == len(DEFAULT_TEMPLATES)
    torch.testing.assert_close(
        encode_labels(small, LABELS, batch_size=2), encode_labels(small, LABELS), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("labels", "templates", "code"),
    [
        ([], ["{}"], "labels.empty"),
        (["cat"], [], "labels.template_invalid"),
        (["cat"], ["a photo"], "labels.template_invalid"),
        (["cat"], ["{} and {}"], "labels.template_invalid"),
        (["cat"], ["{0.__class__}"], "labels.template_invalid"),
    ],
)
def test_labels_and_templates_are_checked(small: CLIP, labels: list[str], templates: list[str], code: str) -> None:
    with pytest.raises(ClipError) as caught:
        encode_labels(small, labels, templates)
    assert caught.value.code == code


def test_braces_in_a_label_are_only_text(small: CLIP) -> None:
    assert encode_labels(small, ["{} {0} {x.y}"], ["a {}"]).shape == (1, 24)


def test_a_label_that_is_too_long_is_refused_unless_cut(small: CLIP) -> None:
    with pytest.raises(RuntimeError, match="more than the 77"):
        encode_labels(small, ["cat " * 80])
    assert encode_labels(small, ["cat " * 80], truncate=True).shape == (1, 24)


def test_scores_are_the_softmax_of_the_logits_best_first(small: CLIP) -> None:
    images = torch.randn(5, 3, 32, 32)
    with torch.inference_mode():
        logits, _ = small(images, tokenize(LABELS))
    for row, scores in zip(logits.softmax(-1), rank(small, images, LABELS, ["{}"], batch_size=2), strict=True):
        assert [s.score for s in scores] == sorted((s.score for s in scores), reverse=True)
        assert {s.label for s in scores} == set(LABELS)
        for s in scores:
            assert s.score == pytest.approx(row[LABELS.index(s.label)].item(), abs=1e-5)


def test_pictures_are_taken_a_batch_at_a_time(small: CLIP) -> None:
    taken = []

    def source() -> Iterator[torch.Tensor]:
        for n in range(7):
            taken.append(n)
            yield torch.randn(3, 32, 32)

    results = rank(small, source(), LABELS, batch_size=3, top_k=1)
    assert taken == []
    assert len(next(results)) == 1
    assert taken == [0, 1, 2]
    assert len(list(results)) == 6


def test_no_pictures_give_no_results_and_no_labels_an_error_at_once(small: CLIP) -> None:
    assert list(rank(small, [], LABELS)) == []
    with pytest.raises(ClipError):
        rank(small, [], [])
