"""Job kinds: a name, a validated specification, a default flavour, and where the runner is.

The runner is named by a dotted path, so that the control plane never imports what touches a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from apps.core.registries import Registry

RepoKindName = Literal["model", "dataset", "space"]
REPO_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}$"


class StrictModel(BaseModel):
    """Unknown fields are mistakes, and are named as such."""

    model_config = ConfigDict(extra="forbid")


class RepositoryRef(StrictModel):
    """A repository at a revision; pinned to a commit when the job is created."""

    repo: str = Field(pattern=REPO_NAME, description="namespace/name")
    revision: str = Field(default="main", min_length=1, max_length=300)


@dataclass(frozen=True)
class Input:
    """A repository that a job reads (`writes` False) or writes, and its role in the job."""

    role: str
    kind: RepoKindName
    ref: RepositoryRef
    writes: bool = False


@dataclass(frozen=True)
class InlineFile:
    """A file sent with the specification; stored beside the job, and left out of the stored specification."""

    name: str
    content: bytes


@dataclass(frozen=True)
class JobKind:
    """`inputs` lists the repositories that a specification names; `inline_files` takes uploaded files out of it."""

    name: str
    title: str
    spec: type[BaseModel]
    flavour: str
    runner: str
    inputs: Callable[[BaseModel], list[Input]]
    inline_files: Callable[[BaseModel], tuple[BaseModel, list[InlineFile]]]


kinds: Registry[JobKind] = Registry("job kind")
