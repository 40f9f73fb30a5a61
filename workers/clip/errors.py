"""Failures that a caller of `workers.clip` may branch on.

Every one carries a stable `code`; the message says what was wrong and what to do about it. Codes never change meaning.
"""

from __future__ import annotations

from typing import Final

# A code, and when it is raised. A code that is not listed here cannot be raised.
CODES: Final[dict[str, str]] = {
    "image.empty": "zero bytes were given",
    "image.unreadable": "the bytes are in none of the accepted picture formats",
    "image.truncated": "the picture ends before its last row",
    "image.damaged": "the picture's data contradict its header",
    "image.too_many_pixels": "the header announces more pixels than the limit",
    "image.too_narrow": "so long and thin that resizing its short side would exceed the pixel limit",
    "labels.empty": "zero-shot needs at least one label",
    "labels.template_invalid": "a prompt template does not contain {} exactly once, or there is none",
    "model.unknown": "neither an official name, a path that exists, nor a repository id",
    "model.download_failed": "the hub did not hand over the repository",
    "model.weights_missing": "no weights where they were looked for",
    "model.weights_truncated": "the weights end early or are not the format that their name says",
    "model.weights_invalid": "tensors are missing, surplus or of contradicting shapes",
    "model.unsafe_pickle": "the pickle asks to run code",
    "model.not_clip": "the tensors are of some other architecture",
    "model.layout_unsupported": "a CLIP in a layout or with a tower that this version does not read",
    "model.config_invalid": "config.json or preprocessor_config.json contradicts itself or the weights",
}


class ClipError(Exception):
    """The one exception type of this package; `code` is a key of `CODES`."""

    def __init__(self, code: str, message: str) -> None:
        if code not in CODES:
            raise LookupError(f"{code!r} is not a registered code")
        super().__init__(message)
        self.code = code
        self.message = message


class ImageError(ClipError):
    """The picture is at fault (`image.*`): tell whoever sent it."""


class ModelError(ClipError):
    """The model or its files are at fault (`model.*`): tell whoever owns the model."""
