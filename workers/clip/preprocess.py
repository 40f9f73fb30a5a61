"""Picture bytes to model input, as CLIP was trained: short side to R by bicubic, centre crop, RGB, 0–1, normalised.

Nothing is decoded before its header was checked: what a hostile picture can cost is bounded by `PIXEL_LIMIT`.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from workers.clip.errors import ImageError

# Channel means and deviations of the pictures that CLIP was trained on, as published with the weights.
MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
STD: Final = (0.26862954, 0.26130258, 0.27577711)

PIXEL_LIMIT: Final = 50_000_000  # 150 MB decoded; the largest cameras in common use give 50 megapixels
# Raster formats whose decoders run inside this process. EPS starts Ghostscript, others are rare enough to be traps.
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
DECODER_ERRORS: Final = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error)


def open_image(source: bytes | str | Path | BinaryIO, *, pixel_limit: int = PIXEL_LIMIT) -> Image.Image:
    """Decode one picture; of an animation its first frame.

    Raises ImageError: `image.empty`, `image.unreadable`, `image.too_many_pixels`, `image.truncated`, `image.damaged`.
    A path that cannot be read raises OSError as usual.
    """
    data = source if isinstance(source, bytes) else _read(source)
    if not data:
        raise ImageError("image.empty", "the picture has zero bytes: the upload or the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels("far more", pixel_limit) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            "image.unreadable", f"these {len(data)} bytes are no picture that is accepted: send {', '.join(FORMATS)}"
        ) from error
    except DECODER_ERRORS as error:
        raise _broken(error) from error
    _check_pixels(image, pixel_limit)
    try:
        image.load()
    except DECODER_ERRORS as error:
        raise _broken(error) from error
    return image


def _read(source: str | Path | BinaryIO) -> bytes:
    return Path(source).read_bytes() if isinstance(source, str | Path) else source.read()


def _check_pixels(image: Image.Image, limit: int) -> None:
    if image.width * image.height > limit:
        raise _too_many_pixels(f"{image.width} × {image.height}", limit)


def _too_many_pixels(size: str, limit: int) -> ImageError:
    return ImageError("image.too_many_pixels", f"the picture has {size} pixels, {limit} are allowed: scale it down")


def _broken(error: Exception) -> ImageError:
    if "truncat" in str(error).lower() or isinstance(error, EOFError):
        return ImageError("image.truncated", "the picture ends before its last row: send the whole file")
    return ImageError("image.damaged", f"the picture cannot be decoded ({error}): save it again and send that")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Turns a Pillow picture into `[3, resolution, resolution]` float32; call it like a function.

    The order of the steps is the published one, on which features depend in the third decimal: the picture is resized
    in its own mode and only then becomes RGB. Transparency is dropped and EXIF turns are not applied, as there.
    """

    resolution: int
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    pixel_limit: int = PIXEL_LIMIT

    def __call__(self, image: Image.Image) -> Tensor:
        """Raises ImageError (`image.too_many_pixels`, `image.too_narrow`, `image.truncated`, `image.damaged`)."""
        _check_pixels(image, self.pixel_limit)
        try:
            image = self.crop(image).convert("RGB")
        except DECODER_ERRORS as error:  # Pillow decodes as late as it can
            raise _broken(error) from error
        values = np.asarray(image, dtype=np.float32) / 255
        values = (values - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))

    def crop(self, image: Image.Image) -> Image.Image:
        """Short side to `resolution`, then the middle square of that side."""
        n, (width, height) = self.resolution, image.size
        short = min(width, height)
        # The long side is cut to a whole pixel, not rounded: so do the published weights' transforms.
        size = (n, int(n * height / width)) if width == short else (int(n * width / height), n)
        if size[0] * size[1] > self.pixel_limit:
            raise ImageError(
                "image.too_narrow", f"{width} × {height} is too long and thin: cut it so that its sides are alike"
            )
        image = image.resize(size, Image.Resampling.BICUBIC) if image.size != size else image
        left, top = round((size[0] - n) / 2), round((size[1] - n) / 2)
        return image.crop((left, top, left + n, top + n))
