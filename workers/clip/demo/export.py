"""Writes the demo model as a repository in Hugging Face layout, and the pictures to try it on."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file

from workers.clip.demo.data import Concept, picture
from workers.clip.load import load
from workers.clip.model import CLIP, CLIPConfig
from workers.clip.preprocess import MEAN, STD
from workers.clip.tokenizer import END, START, default_tokenizer
from workers.clip.weights import to_huggingface

# The first ones of the seeded order, so that no score has a say in which they are.
UNSEEN_CONCEPTS: Final = 40  # by the artist trained on
UNSEEN_DRAWINGS: Final = 20  # of trained concepts, by the other artist


def write_model(model: CLIP, folder: Path) -> CLIP:
    """Write weights in fp16, configuration and tokenizer files; returns the model as it reads back from there."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.to(torch.float16) for name, tensor in to_huggingface(model).items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # the writer makes it private
    _write_json(folder / "config.json", huggingface_config(model.config))
    _write_json(folder / "preprocessor_config.json", preprocessor_config(model.config.image_resolution))
    tokenizer = default_tokenizer()
    vocabulary = json.dumps(tokenizer.ids, ensure_ascii=False, separators=(",", ":"))
    (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in tokenizer.merges), ""])
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": model.config.context_length,
            "do_lower_case": True,
            "bos_token": START,
            "eos_token": END,
            "pad_token": END,
            "unk_token": END,
        },
    )
    return load(folder, device="cpu")[0]


def huggingface_config(config: CLIPConfig) -> dict[str, Any]:
    """`config.json` of a CLIPModel with these sizes."""
    tokenizer = default_tokenizer()
    shared = {"hidden_act": config.activation, "layer_norm_eps": 1e-5, "projection_dim": config.embed_dim}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "dtype": "float16",
        "projection_dim": config.embed_dim,
        "text_config": {
            **shared,
            "model_type": "clip_text_model",
            "hidden_size": config.text_width,
            "intermediate_size": config.text_mlp,
            "num_hidden_layers": config.text_layers,
            "num_attention_heads": config.text_heads,
            "max_position_embeddings": config.context_length,
            "vocab_size": config.vocab_size,
            "bos_token_id": tokenizer.start,
            "eos_token_id": tokenizer.end,
            "pad_token_id": tokenizer.end,
        },
        "vision_config": {
            **shared,
            "model_type": "clip_vision_model",
            "hidden_size": config.vision_width,
            "intermediate_size": config.vision_mlp,
            "num_hidden_layers": config.vision_layers,
            "num_attention_heads": config.vision_heads,
            "image_size": config.image_resolution,
            "patch_size": config.vision_patch,
        },
    }


def preprocessor_config(resolution: int) -> dict[str, Any]:
    """`preprocessor_config.json` that says what `Preprocess` does."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": resolution},
        "resample": 3,  # bicubic, in Pillow's numbering
        "do_center_crop": True,
        "crop_size": {"height": resolution, "width": resolution},
        "do_convert_rgb": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }


def write_pictures(held_out: list[Concept], trained: list[Concept], google: Path, twitter: Path, folder: Path) -> None:
    """Write the pictures as PNG, 64 × 64 on white, and `labels.json`: file, label, artist, held_out."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    rows = []
    for chosen, source, artist, unseen in (
        (held_out[:UNSEEN_CONCEPTS], google, "noto", True),
        (trained[:UNSEEN_DRAWINGS], twitter, "twemoji", False),
    ):
        for concept in chosen:
            file = f"{artist}-{re.sub(r'[^a-z0-9]+', '-', concept.label)}.png"
            picture(source / concept.files[0]).save(folder / file, optimize=True)
            rows.append({"file": file, "label": concept.label, "artist": artist, "held_out": unseen})
    _write_json(folder / "labels.json", rows)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def recipe_json(values: Any) -> dict[str, Any]:
    """A dataclass as a JSON object, with the torch release that the numbers came from."""
    return {**asdict(values), "torch": str(torch.__version__)}
