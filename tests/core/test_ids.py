"""Identifiers go out and come back as the same ones, and sort by time."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.ids import ALPHABET, SYSTEM_NAMESPACE_ID, external, hub_id, internal, new_id

PREFIXES = st.sampled_from(["job", "evt", "whk", "tok"])


@given(PREFIXES, st.uuids())
def test_ids_come_back_as_the_same(prefix: str, value: uuid.UUID) -> None:
    text = external(prefix, value)
    assert internal(prefix, text) == value
    assert text.startswith(f"{prefix}_") and len(text) == len(prefix) + 27
    assert internal("other", text) is None


@given(st.uuids(), st.uuids())
def test_outside_ids_sort_as_inside_ids(one: uuid.UUID, other: uuid.UUID) -> None:
    assert (external("job", one) < external("job", other)) == (one < other)


@given(st.text(max_size=40))
def test_no_other_text_is_an_id(text: str) -> None:
    found = internal("job", text)
    assert found is None or external("job", found) == text


@pytest.mark.parametrize(
    "text",
    ["", "job", "job_", "job_" + "0" * 25, "job_" + "0" * 27, "job_" + "I" * 26, "job_" + "l" * 26, "JOB_" + "0" * 26,
     "job_8" + "0" * 25, "job_z" + "z" * 25, "job-" + "0" * 26, "job_" + "0" * 25 + "\n", "xjob_" + "0" * 26],
)  # fmt: skip
def test_near_misses_are_no_ids(text: str) -> None:
    assert internal("job", text) is None


def test_the_largest_id_fits() -> None:
    assert internal("job", "job_7" + "z" * 25) == uuid.UUID(int=(1 << 128) - 1)
    assert len(set(ALPHABET)) == 32


def test_new_ids_are_of_version_seven_and_in_order() -> None:
    made = [new_id() for _ in range(1000)]
    assert {value.version for value in made} == {7}
    assert made == sorted(made)
    assert len(set(made)) == 1000


def test_hub_ids_are_24_hex_digits_and_distinct() -> None:
    made = {hub_id(new_id()) for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(text) == 24 and int(text, 16) >= 0 for text in made)


def test_the_system_namespace_is_nobodys() -> None:
    assert SYSTEM_NAMESPACE_ID.version == 7
    assert new_id() > SYSTEM_NAMESPACE_ID
