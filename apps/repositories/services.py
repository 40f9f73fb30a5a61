"""Repositories are made, changed and deleted here; `commits.py` and `pushes.py` move their refs."""

from __future__ import annotations

import shutil

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.core.changes import change
from apps.core.errors import BadInput
from apps.core.ids import new_id
from apps.core.names import check_name, name_key
from apps.core.principal import Principal
from apps.orgs.models import Namespace, Visibility
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource
from apps.repositories.exceptions import RepoExists
from apps.repositories.git.store import ZERO, Store, initialise
from apps.repositories.git.trees import AddFile, build_tree, move_ref, write_commit
from apps.repositories.models import RepoKind, Repository
from apps.repositories.pushes import MAIN, describe

# The patterns that the hub's own repositories begin with: large binary formats go to LFS.
LFS_PATTERNS = (
    "*.7z", "*.arrow", "*.bin", "*.bz2", "*.ckpt", "*.ftz", "*.gz", "*.h5", "*.joblib", "*.lfs.*", "*.mlmodel", "*.model",
    "*.msgpack", "*.npy", "*.npz", "*.onnx", "*.ot", "*.parquet", "*.pb", "*.pickle", "*.pkl", "*.pt", "*.pth", "*.rar",
    "*.safetensors", "saved_model/**/*", "*.tar.*", "*.tar", "*.tflite", "*.tgz", "*.wasm", "*.xz", "*.zip", "*.zst",
    "*tfevents*",
)  # fmt: skip
PICTURE_PATTERNS = (
    "*.bmp",
    "*.gif",
    "*.png",
    "*.tiff",
    "*.jpg",
    "*.jpeg",
    "*.webp",
    "*.wav",
    "*.mp3",
    "*.flac",
    "*.ogg",
    "*.mp4",
)


def gitattributes(kind: str) -> bytes:
    patterns = LFS_PATTERNS + (PICTURE_PATTERNS if kind == RepoKind.DATASET else ())
    return "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in patterns).encode()


def author_of(actor: Principal) -> tuple[str, str]:
    """(name, address) of commits that the server makes for somebody; the address reaches nobody."""
    name = actor.username or "atrium"
    return name, f"{name}@users.noreply.atrium"


def repository_create(
    *, actor: Principal, namespace: Namespace, kind: str, name: str, visibility: str | None = None
) -> Repository:
    """A repository with a first commit that holds `.gitattributes`. Raises BadInput, RepoExists, Forbidden."""
    require(actor, "repository.create", NamespaceResource(namespace), sees="namespace.read")
    check_name(name)
    if kind not in RepoKind.values:
        raise BadInput("type must be 'model', 'dataset' or 'space'.", code="bad_repository_type", field="type")
    visibility = visibility or namespace.default_visibility
    if visibility not in Visibility.values:
        raise BadInput("visibility must be 'public' or 'private'.", code="bad_visibility", field="visibility")
    creator = User.objects.filter(id=actor.user_id).first() if actor.user_id else None
    repository = Repository(
        id=new_id(),
        namespace=namespace,
        kind=kind,
        name=name,
        name_key=name_key(name),
        visibility=visibility,
        created_by=creator,
    )
    everything = Repository.objects.unscoped(reason="a name is taken for everybody")
    if everything.filter(namespace=namespace, kind=kind, name_key=repository.name_key).exists():
        raise _exists(repository)
    # The directory comes first: a row without one would be a repository that cannot be read. One without a row is nobody's.
    repository.head_sha = _first_commit(actor, repository)
    try:
        with change(actor=actor, action="repository.create", namespace_id=namespace.id) as act:
            repository.save(force_insert=True)
            act.target("repository", repository.id, repository.full_name)
            act.note(type=kind, visibility=visibility)
            act.emit(repository=describe(repository))
    except IntegrityError as error:
        shutil.rmtree(repository.git_dir, ignore_errors=True)
        raise _exists(repository) from error
    return repository


def _exists(repository: Repository) -> RepoExists:
    return RepoExists(
        f"There is a {repository.kind} named {repository.full_name!r} already.", name=repository.full_name
    )


def _first_commit(actor: Principal, repository: Repository) -> str:
    initialise(repository.git_dir)
    store = Store(repository.git_dir)
    tree = build_tree(store, None, [AddFile(".gitattributes", gitattributes(repository.kind))])
    name, email = author_of(actor)
    commit = write_commit(
        store, tree=tree, parents=[], message="initial commit", author=name, email=email, at=timezone.now()
    )
    move_ref(store, MAIN, old=ZERO, new=commit)
    return commit


def repository_delete(*, actor: Principal, repository: Repository) -> None:
    """Deletes the row and what hangs on it; the directory follows after COMMIT. Blobs go with garbage collection."""
    require(actor, "repository.delete", repository, sees="repository.read")
    directory = repository.git_dir
    with change(actor=actor, action="repository.delete", namespace_id=repository.namespace_id) as act:
        act.target("repository", repository.id, repository.full_name)
        act.emit(repository=describe(repository))
        Repository.objects.unscoped(reason="permission was required above").filter(id=repository.id).delete()
        transaction.on_commit(lambda: shutil.rmtree(directory, ignore_errors=True))


def repository_settings(*, actor: Principal, repository: Repository, visibility: str) -> Repository:
    """Changes the visibility; the same again changes nothing. Raises BadInput, Forbidden."""
    require(actor, "repository.settings", repository, sees="repository.read")
    if visibility not in Visibility.values:
        raise BadInput("visibility must be 'public' or 'private'.", code="bad_visibility", field="visibility")
    if repository.visibility == visibility:
        return repository
    with change(actor=actor, action="repository.settings", namespace_id=repository.namespace_id) as act:
        act.target("repository", repository.id, repository.full_name)
        act.note(visibility=visibility, previous_visibility=repository.visibility)
        repository.visibility = visibility
        repository.save(update_fields=["visibility"])
        act.emit(repository=describe(repository))
    return repository
