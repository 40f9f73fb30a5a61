"""What a runner gets: its specification, its repositories at pinned commits, and ways to say how it goes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from pydantic import BaseModel

from apps.jobs import files, leases
from apps.jobs.leases import Lease
from workers.errors import JobError

# Progress is for people: more often than this costs a write and tells nobody more.
PROGRESS_EVERY_SECONDS = 0.5


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory for one attempt; gone afterwards, and what a killed attempt left goes with the next one's start."""
    root = Path(settings.ATRIUM_HOME) / "cache" / "jobs"
    root.mkdir(parents=True, exist_ok=True)
    for left in root.iterdir():
        if not Path(f"/proc/{left.name.partition('-')[0]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=root) as directory:
        yield Path(directory)


@dataclass
class JobContext:
    """One attempt of a job, seen from its runner.

    Repositories are read and written through the hub's own API, with a token that knows the job's repositories only.
    """

    lease: Lease
    token: str
    spec: BaseModel
    # A directory of this attempt alone: a shared cache would hand out what its reader may not see any more.
    scratch: Path
    pins: dict[str, dict[str, str]]
    _reported_at: float = field(default=0.0, repr=False)

    def progress(self, done: int, total: int | None, note: str = "") -> None:
        """Says how far the work is. Raises LeaseLost when the job belongs to somebody else by now."""
        now = time.monotonic()
        if done != total and now - self._reported_at < PROGRESS_EVERY_SECONDS:
            return
        self._reported_at = now
        leases.report_progress(self.lease, done=done, total=total, note=note)

    def log(self, text: str, *, level: str = "info") -> None:
        leases.write_log(self.lease, text, level=level)

    def download(self, role: str, *, patterns: list[str] | None = None) -> Path:
        """The files of an input repository at its pinned commit, in a local directory. Raises JobError when they cannot be had."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        pin = self.pins[role]
        try:
            return Path(
                snapshot_download(
                    pin["name"],
                    repo_type=pin["kind"],
                    revision=pin["commit"],
                    allow_patterns=patterns,
                    endpoint=settings.ATRIUM_INTERNAL_URL,
                    token=self.token,
                    cache_dir=self.scratch / "hub",
                    tqdm_class=None,
                )
            )
        except (HfHubHTTPError, LocalEntryNotFoundError) as error:
            raise JobError(
                "repository_unreadable", f"{pin['name']} at {pin['commit'][:12]} could not be read: {error}"
            ) from error

    def commit(self, role: str, path: str, content: bytes, *, message: str) -> str:
        """Commits one file to an output repository and returns the commit. The same content again makes no second commit."""
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HfHubHTTPError

        pin = self.pins[role]
        try:
            info = HfApi(endpoint=settings.ATRIUM_INTERNAL_URL, token=self.token).create_commit(
                pin["name"],
                repo_type=pin["kind"],
                revision=pin["revision"],
                operations=[CommitOperationAdd(path, content)],
                commit_message=message,
            )
        except (HfHubHTTPError, ValueError) as error:
            raise JobError("commit_refused", f"The result could not be committed to {pin['name']}: {error}") from error
        return str(info.oid)

    def uploaded(self, number: int) -> bytes:
        """The bytes of the n-th file that was sent with the specification."""
        return b"".join(files.read(self.lease.job_id, f"inputs/{number}"))

    def artefact(self, name: str, content: bytes, *, content_type: str) -> None:
        """Leaves a file with the job; the same name again replaces it."""
        digest = hashlib.sha256(content).hexdigest()
        # Named by content: a late worker's bytes lie beside those that the row names, never over them.
        files.write(self.lease.job_id, files.artefact_path(name, digest), content, content_type=content_type)
        leases.record_artefact(self.lease, name=name, content_type=content_type, size=len(content), sha256=digest)

    def artefact_json(self, name: str, value: Any) -> bytes:
        """Leaves JSON with the job and returns its bytes."""
        content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        self.artefact(name, content, content_type="application/json")
        return content
