"""What a runner raises when a job cannot succeed for a reason that its owner can act on."""

from __future__ import annotations


class JobError(Exception):
    """Ends the job as failed, with a stable code and a sentence; it is not tried again."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
