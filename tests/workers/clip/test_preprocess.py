"""Preprocessing follows the published order and rounding; hostile and broken pictures end in typed errors, cheaply."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from workers.clip import ImageError, Preprocess, open_image
from workers.clip.preprocess import MEAN, STD


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png_that_announces(width: int, height: int) -> bytes:
    """A valid header and next to no data: 100 megapixels in under 100 bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(224, 224), (640, 427), (427, 640), (1, 1), (225, 500), (333, 1000), (30, 40)])
def test_output_is_a_normalised_square(size: tuple[int, int]) -> None:
    pixels = Preprocess(32)(Image.new("RGB", size, (255, 0, 128)))
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == torch.float32
    expected = (torch.tensor([1, 0, 128 / 255]) - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(pixels, expected.view(3, 1, 1).expand(3, 32, 32), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "resized"),
    [((640, 427), (335, 224)), ((427, 640), (224, 335)), ((500, 375), (298, 224)), ((224, 224), (224, 224))],
)
def test_the_long_side_is_cut_to_a_whole_pixel_and_the_middle_kept(
    size: tuple[int, int], resized: tuple[int, int]
) -> None:
    image = noise(*size)
    left, top = round((resized[0] - 224) / 2), round((resized[1] - 224) / 2)
    whole = image.resize(resized, Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop((left, top, left + 224, top + 224)))
    assert np.array_equal(np.asarray(Preprocess(224).crop(image)), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("I;16", (40, 30)) if mode == "I;16" else noise(40, 30).convert(mode)
    assert Preprocess(16)(image).shape == (3, 16, 16)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_accepted_formats_open_from_bytes_file_and_path(kind: str, tmp_path: Path) -> None:
    data = encoded(noise(20, 10), kind)
    (tmp_path / "picture").write_bytes(data)
    for source in (data, io.BytesIO(data), tmp_path / "picture", str(tmp_path / "picture")):
        assert open_image(source).size == (20, 10)


def bad_pictures() -> dict[str, tuple[bytes, str]]:
    jpeg, png = encoded(noise(300, 200), "JPEG"), encoded(noise(300, 200), "PNG")
    return {
        "zero bytes": (b"", "image.empty"),
        "a text file": (b"This is a letter, not a picture.\n" * 20, "image.unreadable"),
        "a pickle": (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00]\x94.", "image.unreadable"),
        "postscript, which would start a program": (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "image.unreadable",
        ),
        "half a JPEG": (jpeg[: len(jpeg) // 2], "image.truncated"),
        "half a PNG": (png[: len(png) // 2], "image.truncated"),
        "a JPEG's first bytes": (jpeg[:10], "image.truncated"),
        "a PNG with a wrong checksum": (png[:50] + b"\xff\xff\xff" + png[53:], "image.damaged"),
        "100 megapixels": (png_that_announces(10_000, 10_000), "image.too_many_pixels"),
        "400 megapixels": (png_that_announces(20_000, 20_000), "image.too_many_pixels"),
    }


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", list(bad_pictures()))
def test_a_bad_picture_has_a_stable_code(name: str) -> None:
    data, code = bad_pictures()[name]
    with pytest.raises(ImageError) as caught:
        open_image(data)
    assert caught.value.code == code
    assert caught.value.message == str(caught.value) != ""


def test_the_pixel_limit_holds_for_pictures_that_others_opened() -> None:
    with pytest.raises(ImageError) as caught:
        Preprocess(16, pixel_limit=100)(Image.new("RGB", (11, 10)))
    assert caught.value.code == "image.too_many_pixels"


def test_a_thread_of_a_picture_is_refused_before_it_is_resized() -> None:
    with pytest.raises(ImageError) as caught:
        Preprocess(224)(Image.new("RGB", (1, 100_000)))
    assert caught.value.code == "image.too_narrow"


def test_a_picture_that_breaks_while_it_is_decoded_late_is_typed_too() -> None:
    data = encoded(noise(300, 200), "JPEG")
    lazy = Image.open(io.BytesIO(data[: len(data) // 2]))
    with pytest.raises(ImageError) as caught:
        Preprocess(16)(lazy)
    assert caught.value.code == "image.truncated"
