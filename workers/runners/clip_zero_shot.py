"""`clip.zero_shot`: every picture's ranked labels; a picture that cannot be read is reported with its reason, and the rest go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from apps.jobs.specs.clip_zero_shot import ZeroShotSpec
from workers.clip import CLIP, ClipError, ImageError, Preprocess, encode_labels, load, open_image
from workers.clip.zero_shot import probabilities
from workers.context import JobContext
from workers.errors import JobError

# Enough to keep either device busy; larger batches gain nothing on a CPU and wait longer for their first answer.
BATCH_SIZE = {"cpu": 32, "cuda": 256}
MODEL_FILES = ["*.json", "*.safetensors", "*.bin", "merges.txt"]
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm")
PREVIEW = 200


@dataclass(frozen=True)
class Picture:
    """A picture by the path that its owner knows, and how to get its bytes."""

    path: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Scored:
    """A picture's best labels, or why there are none."""

    path: str
    scores: list[tuple[str, float]]
    code: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        if self.code:
            return {"path": self.path, "status": "failed", "code": self.code, "reason": self.reason}
        scores = [{"label": label, "score": round(score, 6)} for label, score in self.scores]
        return {"path": self.path, "status": "ok", "scores": scores}


def run(ctx: JobContext) -> dict[str, Any]:
    """Returns the job's result: a summary, and the first 200 pictures. All of them are in the artefact `results.json`."""
    spec = ctx.spec
    assert isinstance(spec, ZeroShotSpec)
    model, preprocess = _load(ctx)
    pictures = _pictures(ctx, spec)
    ctx.log(
        f"{len(pictures)} pictures, {len(spec.labels)} labels, {len(spec.templates)} templates, on {model.device.type}"
    )
    ctx.progress(0, len(pictures), "encoding labels")
    label_features = encode_labels(model, spec.labels, spec.templates, truncate=True)
    results: list[Scored] = []
    for batch in _batches(pictures, BATCH_SIZE.get(model.device.type, BATCH_SIZE["cpu"])):
        results += score(model, preprocess, batch, label_features, spec.labels, spec.top_k)
        ctx.progress(len(results), len(pictures), "scoring pictures")
    return _report(ctx, spec, results)


def _load(ctx: JobContext) -> tuple[CLIP, Preprocess]:
    try:
        return load(str(ctx.download("model", patterns=MODEL_FILES)))
    except ClipError as error:
        raise JobError(error.code, f"{ctx.pins['model']['name']}: {error.message}") from error


def _pictures(ctx: JobContext, spec: ZeroShotSpec) -> list[Picture]:
    if spec.images.files is not None:
        return [
            Picture(file.name, lambda number=number: ctx.uploaded(number))  # type: ignore[misc]
            for number, file in enumerate(spec.images.files)
        ]
    prefix = spec.images.path
    # fnmatch is sensitive to case where the file system is; picture names come in both.
    suffixes = [suffix for lower in PICTURE_SUFFIXES for suffix in (lower, lower.upper())]
    folder = ctx.download("images", patterns=[f"{prefix}*{suffix}" for suffix in suffixes])
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    named = [(path.relative_to(folder).as_posix(), path) for path in found]
    chosen = [Picture(name, path.read_bytes) for name, path in named if name.startswith(prefix)][: spec.images.limit]
    if not chosen:
        raise JobError("no_images", f"{ctx.pins['images']['name']} has no pictures whose path begins with {prefix!r}.")
    return chosen


def score(
    model: CLIP,
    preprocess: Preprocess,
    pictures: Sequence[Picture],
    label_features: Tensor,
    labels: Sequence[str],
    top_k: int,
) -> list[Scored]:
    """The `top_k` labels of each picture, in the pictures' order. `label_features`: [L, E], of length 1."""
    pixels: dict[int, Tensor] = {}
    failed: dict[int, Scored] = {}
    for number, picture in enumerate(pictures):
        try:
            pixels[number] = preprocess(open_image(picture.read()))
        except ImageError as error:
            failed[number] = Scored(picture.path, [], error.code, error.message)
    ranked: dict[int, list[tuple[str, float]]] = {}
    if pixels:
        best = probabilities(model, torch.stack(list(pixels.values())), label_features).topk(
            min(top_k, len(labels)), dim=-1
        )
        for number, values, indices in zip(pixels, best.values.tolist(), best.indices.tolist(), strict=True):
            ranked[number] = [(labels[index], value) for index, value in zip(indices, values, strict=True)]
    return [failed[n] if n in failed else Scored(picture.path, ranked[n]) for n, picture in enumerate(pictures)]


def _batches(pictures: Sequence[Picture], size: int) -> Iterator[list[Picture]]:
    rest = iter(pictures)
    while batch := list(islice(rest, size)):
        yield batch


def _report(ctx: JobContext, spec: ZeroShotSpec, results: list[Scored]) -> dict[str, Any]:
    failed = [result for result in results if result.code]
    for result in failed[:50]:
        ctx.log(f"{result.path}: {result.reason}", level="warning")
    images = [result.as_json() for result in results]
    document = {
        "model": {key: ctx.pins["model"][key] for key in ("name", "commit")},
        "labels": spec.labels,
        "templates": spec.templates,
        "images": images,
    }
    content = ctx.artefact_json("results.json", document)
    summary: dict[str, Any] = {"images": len(results), "failed": len(failed), "labels": len(spec.labels)}
    if spec.commit_to is not None:
        summary["commit"] = ctx.commit("result", spec.commit_to.path, content, message="Add CLIP zero-shot scores")
    return {"summary": summary, "preview": images[:PREVIEW]}
