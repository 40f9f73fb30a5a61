"""What can go wrong with a repository, in the words that hub clients turn into their exception classes."""

from __future__ import annotations

from apps.core.errors import BadInput, Conflict, NotFound, PreconditionFailed, Unprocessable


class RepoNotFound(NotFound):
    code, hub_code, title = "repository_not_found", "RepoNotFound", "Repository not found"


class RevisionNotFound(NotFound):
    code, hub_code, title = "revision_not_found", "RevisionNotFound", "Revision not found"


class EntryNotFound(NotFound):
    code, hub_code, title = "entry_not_found", "EntryNotFound", "Entry not found"


class RepoExists(Conflict):
    code, title = "repository_exists", "You already created this repository"


class RefExists(Conflict):
    code, title = "reference_exists", "Reference already exists"


class BadPath(BadInput):
    code, title = "bad_path", "The path is not allowed"


class BadRef(BadInput):
    code, title = "bad_reference", "The name is not allowed for a branch or tag"


class StaleParent(PreconditionFailed):
    code, title = "stale_parent", "A commit has happened since. Please refresh and try again."


class ObjectMissing(Unprocessable):
    code, title = "lfs_object_missing", "A large file was named that nobody uploaded here"


class FileTooLarge(Unprocessable):
    code, title = "file_too_large", "A file is too large for plain git"
