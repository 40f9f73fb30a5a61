"""Names that hub clients accept are accepted, others refused, and those that addresses need are reserved."""

from __future__ import annotations

import pytest
from huggingface_hub.utils import HFValidationError, validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import BadInput
from apps.core.names import RESERVED, check_name, name_key


@pytest.mark.parametrize("name", ["a", "A", "0", "_", "clip-vit_b.32", "a" * 96, "a.b", "a-b", "a_b", "1.0", "Alice"])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "-", "a.", "a-", ".a", "-a", "a--b", "a..b", "a" * 97, "a b", "a/b", "a\\b", "ä", "a\n", "\x00", "a\u200b",
     "a.git", "a.ipynb", "%2e", "a@b", "a:b", "a~b", "a^b", "a*b", "a?b", "а", "../a"],
)  # fmt: skip
def test_bad_names(name: str) -> None:
    with pytest.raises(BadInput) as raised:
        check_name(name)
    assert raised.value.code == "bad_name"


@given(st.text(alphabet="aZ0_.-~/ ", max_size=8) | st.text(alphabet="ab.-_", min_size=94, max_size=98))
def test_every_name_of_ours_is_one_for_hub_clients(name: str) -> None:
    try:
        check_name(name)
    except BadInput:
        return
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise AssertionError(name) from error


@pytest.mark.parametrize(
    "name",
    ["api", "API", "Models", "datasets", "settings", "accounts", "healthz", "v1", "static", "jobs", "oauth", "xet"],
)
def test_reserved_names_are_refused_in_any_case(name: str) -> None:
    with pytest.raises(BadInput) as raised:
        check_name(name, reserved=True)
    assert raised.value.code == "name_reserved"
    assert check_name(name) == name


def test_reserved_names_are_keys() -> None:
    assert {name_key(name) for name in RESERVED} == RESERVED


def test_names_that_differ_in_case_only_are_the_same() -> None:
    assert name_key("Alice") == name_key("aLICE")
    assert name_key("e\u0301") == name_key("\u00c9")
