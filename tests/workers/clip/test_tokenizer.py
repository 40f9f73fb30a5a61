"""Ids equal those of the published tokenizer, and texts that do not fit are refused or cut as there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from workers.clip import tokenize
from workers.clip.demo import MODEL
from workers.clip.tokenizer import default_tokenizer

START, END = 49406, 49407

TEXTS = [
    "",
    " ",
    "a photo of a cat.",
    "A PHOTO of\ta\n\nCat",
    "it's we're they've I'll don't he'd I'm 'S",
    "2,024 numbers 3.14 and 1st",
    "naïve café Ærøskøbing straße İstanbul",
    "一只猫坐在垫子上",
    "кошка на ковре",
    "قطة صغيرة",
    "🐈‍⬛ and 👩🏽‍🚀!!! ❤️",
    "@user #hashtag https://example.org/?q=1&r=2",
    "___---~~~ ¿qué? «oui»",
    "supercalifragilisticexpialidocious",
    "half½ ² ³ Ⅷ",
    "zero\u200bwidth and\u00a0no-break",
]


@pytest.fixture(scope="module")
def theirs() -> Any:
    return CLIPTokenizer.from_pretrained(MODEL)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_equal_transformers(theirs: Any, text: str) -> None:
    expected = theirs(text)["input_ids"]
    assert tokenize(text)[0, : len(expected)].tolist() == expected


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Z"]), max_size=40))
def test_ids_equal_transformers_on_any_ascii(theirs: Any, text: str) -> None:
    # An ampersand would begin an HTML entity, which transformers leaves alone and the published tokenizer does not.
    text = text.replace("&", "+")
    expected = theirs(text)["input_ids"]
    assert tokenize(text)[0, : len(expected)].tolist() == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("cats &amp; dogs", "cats & dogs"),
        ("cats &amp;amp; dogs", "cats & dogs"),
        ("&lt;b&gt;", "<b>"),
        ("caf&eacute;", "café"),
        ("cafÃ©", "café"),  # UTF-8 read as Latin-1
        ("“quoted”", '"quoted"'),
    ],
)
def test_entities_and_mojibake_are_repaired(written: str, meant: str) -> None:
    assert torch.equal(tokenize(written), tokenize(meant))


def test_known_ids() -> None:
    row = tokenize("a photo of a cat")[0].tolist()
    assert row[:7] == [START, 320, 1125, 539, 320, 2368, END]
    assert set(row[7:]) == {0}


def test_a_special_token_written_in_a_text_becomes_its_id() -> None:
    assert default_tokenizer().encode("a <|endoftext|> b") == [320, END, 321]


def test_a_string_is_a_list_of_one() -> None:
    assert torch.equal(tokenize("a cat"), tokenize(["a cat"]))
    assert tokenize(["a", "b", "c"], context_length=5).shape == (3, 5)
    assert tokenize([]).shape == (0, 77)


def test_a_text_that_is_too_long_is_refused() -> None:
    tokenize("cat " * 75)
    with pytest.raises(RuntimeError, match="more than the 77 tokens"):
        tokenize("cat " * 76)


def test_truncation_keeps_the_end_token() -> None:
    row = tokenize("cat " * 200, truncate=True)[0].tolist()
    assert (row[0], row[-1], len(row)) == (START, END, 77)
    assert tokenize("a cat and a dog", context_length=4, truncate=True)[0].tolist() == [START, 320, 2368, END]


@pytest.mark.parametrize("text", ["ab" * 500_000, "一" * 300_000, "!" * 1_000_000])
def test_a_megabyte_without_a_space_is_cut_or_refused(text: str) -> None:
    assert tokenize(text, truncate=True)[0, -1] == END
    with pytest.raises(RuntimeError, match="more than the 77 tokens"):
        tokenize(text)


def test_a_context_without_room_is_refused() -> None:
    assert tokenize("cat", context_length=2, truncate=True).tolist() == [[START, END]]
    with pytest.raises(ValueError, match="context_length"):
        tokenize("cat", context_length=1)


@pytest.mark.parametrize("text", ["a photo of a cat", "一只猫", "naïve café"])
def test_decoding_gives_the_text_back(text: str) -> None:
    assert default_tokenizer().decode(default_tokenizer().encode(text)) == text


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=60))
def test_any_text_has_ids_between_start_and_end(text: str) -> None:
    row = tokenize(text, truncate=True)[0].tolist()
    end = row.index(END)
    assert row[0] == START
    assert not any(row[end + 1 :])
