"""A specification that cannot be carried out is refused when the job is created, naming the field."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from apps.jobs.specs.clip_zero_shot import MAX_INLINE_BYTES, ZeroShotSpec, inline_files, inputs

GOOD: dict[str, Any] = {
    "model": {"repo": "alice/clip"},
    "images": {"dataset": {"repo": "alice/pictures"}},
    "labels": ["cat"],
}


def changed(**fields: Any) -> dict[str, Any]:
    return {**GOOD, **fields}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (changed(labels=[]), "labels"),
        (changed(labels=["x" + str(n) for n in range(10_001)]), "labels"),
        (changed(labels=["cat", " "]), "labels"),
        (changed(labels=["cat", "cat"]), "labels"),
        (changed(labels=["x" * 10_001]), "labels"),
        (changed(labels="cat"), "labels"),
        (changed(templates=["no place"]), "templates"),
        (changed(templates=["{} and {}"]), "templates"),
        (changed(templates=[]), "templates"),
        (changed(top_k=0), "top_k"),
        (changed(top_k=101), "top_k"),
        (changed(images={}), "images"),
        (changed(images={"dataset": {"repo": "alice/pictures"}, "files": [{"name": "a", "content": ""}]}), "images"),
        (changed(images={"files": []}), "images"),
        (changed(model={"repo": "clip"}), "model"),
        (changed(model={"repo": "../../etc/passwd"}), "model"),
        (changed(model={"repo": "alice/clip", "revision": ""}), "model"),
        (changed(surprise=1), "surprise"),
        ({key: value for key, value in GOOD.items() if key != "model"}, "model"),
    ],
)
def test_a_bad_specification_names_its_field(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ZeroShotSpec.model_validate(spec)
    assert any(error["loc"][0] == field for error in caught.value.errors())


def test_ten_thousand_labels_are_taken() -> None:
    assert len(ZeroShotSpec.model_validate(changed(labels=[f"label {n}" for n in range(10_000)])).labels) == 10_000


def test_uploaded_pictures_leave_the_stored_specification() -> None:
    content = base64.b64encode(b"picture").decode()
    spec = ZeroShotSpec.model_validate(changed(images={"files": [{"name": "a.png", "content": content}]}))
    bare, files = inline_files(spec)
    assert [(file.name, file.content) for file in files] == [("a.png", b"picture")]
    assert content not in bare.model_dump_json()
    assert ZeroShotSpec.model_validate(bare.model_dump(mode="json")).images.files is not None


def test_uploads_that_are_not_base64_are_refused() -> None:
    spec = ZeroShotSpec.model_validate(changed(images={"files": [{"name": "a.png", "content": "!!"}]}))
    with pytest.raises(ValueError, match="not base64"):
        inline_files(spec)


def test_uploads_that_are_too_large_are_refused() -> None:
    content = base64.b64encode(bytes(MAX_INLINE_BYTES + 1)).decode()
    spec = ZeroShotSpec.model_validate(changed(images={"files": [{"name": "a.png", "content": content}]}))
    with pytest.raises(ValueError, match="at most"):
        inline_files(spec)


def test_the_result_repository_is_written_and_the_others_are_read() -> None:
    spec = ZeroShotSpec.model_validate(changed(commit_to={"repo": "alice/results"}))
    assert [(item.role, item.writes) for item in inputs(spec)] == [
        ("model", False),
        ("images", False),
        ("result", True),
    ]
