"""`clip.zero_shot`: pictures of a dataset repository, or uploaded ones, scored against labels by a CLIP model."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import BaseModel, Field, field_validator, model_validator

from apps.jobs.kinds import REPO_NAME, InlineFile, Input, JobKind, RepoKindName, RepositoryRef, StrictModel

MAX_LABELS = 10_000
MAX_TEMPLATES = 100
MAX_INLINE_FILES = 64
MAX_INLINE_BYTES = 32 * 1024 * 1024
MAX_IMAGES = 100_000

# The same as those of `workers.clip`, which this layer does not import; a test holds them together.
DEFAULT_TEMPLATES = [
    "{}",
    "a photo of a {}.",
    "a picture of a {}.",
    "a drawing of a {}.",
    "an icon of a {}.",
    "a close-up of a {}.",
    "a photo of the small {}.",
]

Label = Annotated[str, Field(min_length=1, max_length=10_000)]
Template = Annotated[str, Field(min_length=2, max_length=500)]


class InlineImage(StrictModel):
    name: str = Field(min_length=1, max_length=200)
    content: str | None = Field(default=None, description="base64; kept beside the job, not in its specification")


class Images(StrictModel):
    """Either `dataset` (with an optional path prefix) or `files`."""

    dataset: RepositoryRef | None = None
    path: str = Field(default="", max_length=1000, description="only pictures whose path begins so")
    limit: int = Field(default=10_000, ge=1, le=MAX_IMAGES)
    files: list[InlineImage] | None = Field(default=None, min_length=1, max_length=MAX_INLINE_FILES)

    @model_validator(mode="after")
    def one_source(self) -> Images:
        if (self.dataset is None) == (self.files is None):
            raise ValueError("give either 'dataset' or 'files'")
        return self


class CommitTarget(StrictModel):
    """Where the result is committed, if asked."""

    repo: str = Field(pattern=REPO_NAME, description="namespace/name")
    kind: RepoKindName = "dataset"
    revision: str = Field(default="main", min_length=1, max_length=300)
    path: str = Field(default="results.json", min_length=1, max_length=1000)


class ZeroShotSpec(StrictModel):
    model: RepositoryRef
    images: Images
    labels: list[Label] = Field(min_length=1, max_length=MAX_LABELS)
    templates: list[Template] = Field(default=DEFAULT_TEMPLATES, min_length=1, max_length=MAX_TEMPLATES)
    top_k: int = Field(default=5, ge=1, le=100)
    commit_to: CommitTarget | None = None

    @field_validator("labels")
    @classmethod
    def labels_say_something(cls, labels: list[str]) -> list[str]:
        if any(not label.strip() for label in labels):
            raise ValueError("a label must not be empty")
        if len(set(labels)) != len(labels):
            raise ValueError("labels must differ from each other")
        return labels

    @field_validator("templates")
    @classmethod
    def templates_have_a_place(cls, templates: list[str]) -> list[str]:
        if any(template.count("{}") != 1 for template in templates):
            raise ValueError("each template must hold '{}' exactly once")
        return templates


def inputs(spec: BaseModel) -> list[Input]:
    assert isinstance(spec, ZeroShotSpec)
    found = [Input("model", "model", spec.model)]
    if spec.images.dataset is not None:
        found.append(Input("images", "dataset", spec.images.dataset))
    if spec.commit_to is not None:
        target = RepositoryRef(repo=spec.commit_to.repo, revision=spec.commit_to.revision)
        found.append(Input("result", spec.commit_to.kind, target, writes=True))
    return found


def inline_files(spec: BaseModel) -> tuple[BaseModel, list[InlineFile]]:
    """The specification without the pictures' bytes, and the pictures. Raises ValueError for bad base64 or too much of it."""
    assert isinstance(spec, ZeroShotSpec)
    files: list[InlineFile] = []
    for image in spec.images.files or []:
        try:
            files.append(InlineFile(image.name, base64.b64decode(image.content or "", validate=True)))
        except binascii.Error as error:
            raise ValueError(f"images.files: {image.name!r} is not base64") from error
    if sum(len(file.content) for file in files) > MAX_INLINE_BYTES:
        raise ValueError(f"images.files: at most {MAX_INLINE_BYTES} bytes in all; put more into a dataset repository")
    bare = [InlineImage(name=image.name) for image in spec.images.files or []] or None
    return spec.model_copy(update={"images": spec.images.model_copy(update={"files": bare})}), files


KIND = JobKind(
    name="clip.zero_shot",
    title="CLIP zero-shot classification",
    spec=ZeroShotSpec,
    flavour="cpu-small",
    runner="workers.runners.clip_zero_shot:run",
    inputs=inputs,
    inline_files=inline_files,
)
