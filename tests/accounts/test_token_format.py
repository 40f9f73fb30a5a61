"""A token can be told from a look-alike without asking anybody, and the database knows only its HMAC."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.token_format import BASE62, TYPES, digest, generate, is_well_formed, pepper_id, visible_prefix


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_tokens_have_their_form(kind: str) -> None:
    text = generate(kind)
    head, type_, tail = text.split("_")
    assert (head, type_, len(tail)) == ("atr", kind, 38)
    assert set(tail) <= set(BASE62)
    assert is_well_formed(text)
    assert len({generate(kind) for _ in range(100)}) == 100


def test_there_are_no_other_types() -> None:
    with pytest.raises(ValueError, match="xyz"):
        generate("xyz")


GENERATED = generate("pat")


@given(st.integers(0, len(GENERATED) - 1), st.sampled_from(BASE62 + "_-"))
def test_one_wrong_character_is_noticed(position: int, character: str) -> None:
    changed = GENERATED[:position] + character + GENERATED[position + 1 :]
    assert is_well_formed(changed) == (changed == GENERATED)


@given(st.text(max_size=60) | st.from_regex(r"atr_(pat|job|xyz)_[0-9A-Za-z]{36,40}", fullmatch=True))
def test_other_texts_are_no_tokens(text: str) -> None:
    # One in 2^32 of the right form would pass by chance.
    assert not is_well_formed(text)


@pytest.mark.parametrize(
    "change", [str.upper, str.lower, lambda t: t + "\n", lambda t: " " + t, lambda t: t[:-1], lambda t: t * 2]
)
def test_near_misses_are_no_tokens(change: Any) -> None:
    assert not is_well_formed(change(GENERATED))


def test_the_digest_depends_on_the_pepper(settings: Any) -> None:
    text = generate("pat")
    settings.ATRIUM_TOKEN_PEPPER = "one"
    first, first_id = digest(text), pepper_id()
    settings.ATRIUM_TOKEN_PEPPER = "two"
    assert digest(text) != first and pepper_id() != first_id
    assert len(first) == 64 and "one" not in first_id


def test_what_is_shown_tells_little() -> None:
    text = generate("pat")
    assert visible_prefix(text) == text[:12] and len(visible_prefix(text)) < len(text) - 30
