"""Bad pictures and bad models in jobs that real workers run: pictures fail one by one, a model fails its job, and both say why."""

from __future__ import annotations

import base64
import io
import pickle
import shutil
import struct
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from huggingface_hub import HfApi
from PIL import Image
from safetensors.torch import save_file

from tests.support.live import Live, wait_until

MODEL = Path(__file__).resolve().parent.parent.parent / "workers" / "clip" / "demo" / "model"
WEIGHTS = "model.safetensors"
ENDED = {"succeeded", "failed", "cancelled"}

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def token(live: Live) -> str:
    return live.bootstrap(["alice"])["alice", "write"]


@pytest.fixture(scope="module")
def hub(live: Live, token: str) -> HfApi:
    return HfApi(endpoint=live.base_url, token=token)


def push(hub: HfApi, folder: Path) -> str:
    """The folder as a fresh model repository."""
    name = f"alice/bad-{uuid.uuid4().hex[:12]}"
    hub.create_repo(name, private=True)
    hub.upload_folder(repo_id=name, folder_path=folder)
    return name


@pytest.fixture
def run(live: Live, token: str) -> Callable[..., dict[str, Any]]:
    """Runs a job with uploaded pictures to its end and returns it."""

    def call(method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = httpx.request(
            method,
            f"{live.base_url}/api/v1/jobs/alice{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        assert answer.status_code < 400, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def run(repository: str, pictures: dict[str, bytes]) -> dict[str, Any]:
        files = [{"name": name, "content": base64.b64encode(data).decode()} for name, data in pictures.items()]
        spec = {"model": {"repo": repository}, "images": {"files": files}, "labels": ["cat", "dog"]}
        job = call("POST", "", {"kind": "clip.zero_shot", "spec": spec})

        def ended() -> dict[str, Any] | None:
            seen = call("GET", f"/{job['id']}")
            return seen if seen["state"] in ENDED else None

        return wait_until(ended, 120, what="the job's end") or {}

    return run


def png(width: int = 40, height: int = 40) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(out, "PNG")
    return out.getvalue()


def png_of_100_megapixels() -> bytes:
    """A whole, small file: rows of zeros pack well."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + 1250) * 10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_bad_pictures_fail_one_by_one_and_the_job_goes_on(hub: HfApi, run: Callable[..., dict[str, Any]]) -> None:
    good = png()
    damaged = bytearray(good)
    damaged[len(damaged) // 2] ^= 0xFF
    noise = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(noise, "JPEG")
    pictures = {
        "first.png": good,
        "damaged.png": bytes(damaged),
        "cut.jpg": noise.getvalue()[: len(noise.getvalue()) // 2],
        "nothing.png": b"",
        "huge.png": png_of_100_megapixels(),
        "text.png": b"this is a letter and no picture",
        "last.png": good,
    }
    job = run(push(hub, MODEL), pictures)
    assert job["state"] == "succeeded", job["error"]
    assert job["result"]["summary"]["failed"] == 5
    seen = {row["path"]: row.get("code", row["status"]) for row in job["result"]["preview"]}
    assert seen == {
        "first.png": "ok",
        "damaged.png": "image.damaged",
        "cut.jpg": "image.truncated",
        "nothing.png": "image.empty",
        "huge.png": "image.too_many_pixels",
        "text.png": "image.unreadable",
        "last.png": "ok",
    }
    assert all(row["reason"] for row in job["result"]["preview"] if row["status"] == "failed")


class Code:
    """Unpickled, it would leave a file behind."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.proof,)


def _not_clip(folder: Path) -> None:
    save_file({"layer.weight": torch.zeros(3, 3)}, folder / WEIGHTS)


def _missing(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _truncated(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def _pickle(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Code(folder.parent / "proof")}))


def _senseless(folder: Path) -> None:
    (folder / "config.json").write_text('{"vision_config": {"num_attention_heads": 7}}')


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_not_clip, "model.not_clip"),
        (_missing, "model.weights_missing"),
        (_truncated, "model.weights_truncated"),
        (_pickle, "model.unsafe_pickle"),
        (_senseless, "model.config_invalid"),
    ],
)
def test_a_bad_model_fails_its_job_at_once_and_says_why(
    hub: HfApi, run: Callable[..., dict[str, Any]], tmp_path: Path, spoil: Callable[[Path], None], code: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    spoil(folder)
    repository = push(hub, folder)
    job = run(repository, {"one.png": png()})
    assert (job["state"], job["attempt"], job["error"]["code"]) == ("failed", 1, code), job["error"]
    assert repository in job["error"]["message"]
    assert job["result"] is None
    assert not (tmp_path / "proof").exists()
