"""`load`: from a name, a path or a repository to a model that is ready to encode.

Nothing is downloaded unless a repository id is given, and nothing that is read is ever executed.
"""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any, Final, Literal

import torch

from workers.clip.errors import ModelError
from workers.clip.model import CLIP
from workers.clip.preprocess import MEAN, STD, Preprocess
from workers.clip.weights import WEIGHT_FILES, from_huggingface, infer_config, read_weights

# The published models (Radford et al. 2021, tables 19 and 20), smallest first within a family.
OFFICIAL: Final = (
    "RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px",
)  # fmt: skip
REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Weights, and the two small files that say what the weights do not; shards have a number in their names.
DOWNLOADED: Final = (
    "config.json",
    "preprocessor_config.json",
    *WEIGHT_FILES,
    "model-*.safetensors",
    "pytorch_model-*.bin",
)


def available_models() -> list[str]:
    """The nine official names that `load` knows."""
    return list(OFFICIAL)


def default_root() -> Path:
    """Where official weights are looked for: `ATRIUM_CLIP_ROOT`, else `clip` in the user's cache directory."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("ATRIUM_CLIP_ROOT") or cache / "atrium" / "clip")


def load(
    name_or_path: str | Path,
    device: str | torch.device | None = None,
    *,
    revision: str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
    root: Path | None = None,
) -> tuple[CLIP, Preprocess]:
    """A model in evaluation mode, fp32, and the preprocessing that its pictures need.

    `name_or_path` is, in this order: an official name, whose weights are looked for in `root`; a directory in Hugging
    Face layout; a weight file (config.json beside it is read too); a repository id `namespace/name`, fetched at
    `revision` from `endpoint` with `token` (by default those of huggingface_hub). `device` defaults to the first GPU
    if there is one, else the CPU. Since a name may be a path, names from strangers must be checked before.

    Raises ModelError; its codes are in `workers.clip.errors`.

    >>> model, preprocess = load("team/our-clip", endpoint="http://localhost:8000")
    >>> image = preprocess(open_image(data)).unsqueeze(0)
    >>> logits_per_image, logits_per_text = model(image, tokenize(["a cat", "a dog"]))
    """
    path = _locate(name_or_path, revision=revision, endpoint=endpoint, token=token, root=root or default_root())
    state = read_weights(path)
    folder = path if path.is_dir() else path.parent
    config = read_json(folder / "config.json")
    vision, text = _section(config, "vision_config"), _section(config, "text_config")
    clip_config = infer_config(
        state,
        vision_heads=_integer(vision, "num_attention_heads"),
        text_heads=_integer(text, "num_attention_heads"),
        activation=_activation(vision, text),
    )
    for section in (vision, text):
        if section.get("layer_norm_eps", 1e-5) != 1e-5:
            raise ModelError("model.config_invalid", "layer_norm_eps other than 1e-5 is not supported")
    model = from_huggingface(state, clip_config)
    target = device if device is not None else ("cuda" if torch.cuda.is_available() else "cpu")
    return model.to(target), read_preprocess(folder, clip_config.image_resolution)


def read_preprocess(folder: Path, resolution: int) -> Preprocess:
    """The preprocessing that `preprocessor_config.json` asks for; without one, the published models'."""
    values = read_json(folder / "preprocessor_config.json")
    mean = _channels(values.get("image_mean"), default=MEAN)
    std = _channels(values.get("image_std"), default=STD)
    if min(std) <= 0:
        raise ModelError("model.config_invalid", f"image_std must be positive, not {list(std)}")
    return Preprocess(resolution, mean, std)


def _locate(name: str | Path, *, revision: str | None, endpoint: str | None, token: str | None, root: Path) -> Path:
    if name in OFFICIAL:
        stem = str(name).replace("/", "-")  # as the published files are called
        places = [root / stem, root / f"{stem}.safetensors", root / f"{stem}.pt"]
        found = next((place for place in places if place.exists()), None)
        if found is None:
            raise ModelError(
                "model.weights_missing",
                f"the weights of {name} are not on this machine and are not downloaded by name: put them at one of "
                f"{', '.join(map(str, places))}, or give a repository id",
            )
        return found
    if Path(name).exists():
        return Path(name)
    if isinstance(name, str) and REPOSITORY.fullmatch(name):
        return _download(name, revision=revision, endpoint=endpoint, token=token)
    raise ModelError(
        "model.unknown",
        f"{str(name)!r} is neither an official name ({', '.join(OFFICIAL)}), nor an existing path, nor a repository id",
    )


def _download(repository: str, *, revision: str | None, endpoint: str | None, token: str | None) -> Path:
    # Imported here: most callers have their weights on disk and need no HTTP client.
    import httpx2  # what huggingface_hub speaks HTTP with: a connection that breaks off ends in its errors
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                repository, revision=revision, endpoint=endpoint, token=token, allow_patterns=list(DOWNLOADED)
            )
        )
    except (OSError, ValueError, httpx2.HTTPError) as error:  # what the hub answers with an error is an OSError
        raise ModelError("model.download_failed", f"{repository} could not be fetched: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one if there is no such file. Raises ModelError `model.config_invalid`."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError("model.config_invalid", f"{path.name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError("model.config_invalid", f"{path.name} must hold an object")
    return value


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    value = config.get(name) or {}
    if not isinstance(value, dict):
        raise ModelError("model.config_invalid", f"{name} in config.json must be an object")
    return value


def _integer(section: dict[str, Any], name: str) -> int | None:
    value = section.get(name)
    if value is not None and (type(value) is not int or value < 1):
        raise ModelError(
            "model.config_invalid", f"{name} in config.json must be a positive whole number, not {value!r}"
        )
    return value


def _activation(vision: dict[str, Any], text: dict[str, Any]) -> Literal["quick_gelu", "gelu"]:
    found = [section.get("hidden_act", "quick_gelu") for section in (vision, text)]
    if found == ["quick_gelu", "quick_gelu"]:
        return "quick_gelu"
    if found == ["gelu", "gelu"]:
        return "gelu"
    raise ModelError("model.config_invalid", "hidden_act in config.json must be quick_gelu or gelu in both towers")


def _channels(value: Any, *, default: tuple[float, float, float]) -> tuple[float, float, float]:
    if value is None:
        return default
    try:
        red, green, blue = (float(channel) for channel in value)
    except (TypeError, ValueError) as error:
        raise ModelError(
            "model.config_invalid", f"image_mean and image_std are three numbers, not {value!r}"
        ) from error
    if not all(map(math.isfinite, (red, green, blue))):
        raise ModelError("model.config_invalid", f"image_mean and image_std must be finite, not {value!r}")
    return red, green, blue
