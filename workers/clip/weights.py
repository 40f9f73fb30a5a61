"""Reading weight files without running what is in them, and the Hugging Face names of CLIP's tensors.

Guarantees that every file comes through safetensors or `torch.load(weights_only=True)`, and that whatever is wrong with
it ends in a ModelError that says so. Messages name files without their folders: they may reach strangers.
"""

from __future__ import annotations

import json
import math
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from workers.clip.errors import ModelError
from workers.clip.model import CLIP, CLIPConfig

# What a directory may hold, most trusted first; an index names the shards of a large model.
WEIGHT_FILES: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
HEAD_WIDTH: Final = 64  # channels of an attention head in every published CLIP
# What torch's reader was seen to raise on damaged files; all of them are the file's fault.
READER_ERRORS: Final = (
    *(pickle.UnpicklingError, EOFError, RuntimeError, OSError, ValueError),
    *(LookupError, TypeError, AttributeError, AssertionError),
)
PICKLES: Final = (b"\x80", b"PK")  # a pickle's first instruction, a zip archive
GIT_LFS: Final = b"version https://git-lfs"

# Ours → Hugging Face's, outside the blocks.
NAMES: Final = {
    "logit_scale": "logit_scale",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",  # the misspelling is theirs
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "visual.proj": "visual_projection.weight",
    "text.token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "text.positional_embedding": "text_model.embeddings.position_embedding.weight",
    "text.ln_final.weight": "text_model.final_layer_norm.weight",
    "text.ln_final.bias": "text_model.final_layer_norm.bias",
    "text.text_projection": "text_projection.weight",
}
BLOCK_NAMES: Final = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
TOWERS: Final = {"visual": "vision_model", "text": "text_model"}
TRANSPOSED: Final = frozenset({"visual.proj", "text.text_projection"})  # we multiply from the right, nn.Linear does not


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, or of the best weight file in a directory, by the names that they have there.

    Raises ModelError: `model.weights_missing`, `model.weights_truncated`, `model.unsafe_pickle`,
    `model.layout_unsupported`.
    """
    if path.is_dir():
        found = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
        if found is None:
            raise ModelError("model.weights_missing", f"{path.name} holds none of {', '.join(WEIGHT_FILES)}")
        path = found
    if not path.is_file():
        raise ModelError("model.weights_missing", f"there is no file {path.name}")
    if path.name.endswith(".index.json"):
        return _read_shards(path)
    with path.open("rb") as file:
        if file.read(len(GIT_LFS)) == GIT_LFS:
            raise ModelError("model.weights_missing", f"{path.name} is a Git LFS pointer: run `git lfs pull` beside it")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError("model.weights_truncated", f"{index.name} is no index of shards: {error}") from error
    state: dict[str, Tensor] = {}
    for name in names:
        # The index comes with the repository: a name with a folder in it could point anywhere on this machine.
        if not isinstance(name, str) or Path(name).name != name or name.endswith(".index.json"):
            raise ModelError("model.weights_truncated", f"{index.name} names {name!r}, which is no file beside it")
        state.update(read_weights(index.parent / name))
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelError(
            "model.weights_truncated", f"{path.name} is no whole safetensors file ({error}): download it again"
        ) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except READER_ERRORS as error:
        raise _pickle_error(path, error) from error
    # Training scripts often wrap the tensors once, beside the optimizer's.
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(type(k) is str and isinstance(v, Tensor) for k, v in state.items()):
        raise ModelError("model.not_clip", f"{path.name} holds something other than named tensors")
    return dict(state)


def _pickle_error(path: Path, error: Exception) -> ModelError:
    text = str(error)
    if "TorchScript" in text:
        return ModelError(
            "model.layout_unsupported", f"{path.name} is a TorchScript archive: convert it to safetensors"
        )
    # How torch words its refusal to import a name or to follow an instruction; all other errors mean damage, and so
    # does an unknown instruction in what does not begin like a pickle.
    with path.open("rb") as file:
        begins_like_a_pickle = file.read(2).startswith(PICKLES)
    if "GLOBAL" in text or ("Unsupported operand" in text and begins_like_a_pickle):
        return ModelError(
            "model.unsafe_pickle",
            f"{path.name} asks for more than tensors while it is read, which can run code: convert it to safetensors "
            "on a machine where you trust it",
        )
    return ModelError("model.weights_truncated", f"{path.name} is no whole PyTorch file: download it again")


def infer_config(
    state: Mapping[str, Tensor],
    *,
    vision_heads: int | None = None,
    text_heads: int | None = None,
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu",
) -> CLIPConfig:
    """The sizes of a Hugging Face CLIP from its tensors' shapes.

    The shapes do not tell the number of heads nor the activation; by default those of the published models.
    Raises ModelError: `model.not_clip`, `model.layout_unsupported`, `model.weights_invalid`, `model.config_invalid`.
    """
    _check_layout(state)

    def shape(name: str, ndim: int) -> torch.Size:
        try:
            found = state[name].shape
        except KeyError:
            raise ModelError("model.weights_invalid", f"the tensor {name} is missing") from None
        if len(found) != ndim:
            raise ModelError("model.weights_invalid", f"{name} has shape {list(found)}, expected {ndim} dimensions")
        return found

    vision_width, _, _, patch = shape(NAMES["visual.conv1.weight"], 4)
    vocab_size, text_width = shape(NAMES["text.token_embedding.weight"], 2)
    patches = shape(NAMES["visual.positional_embedding"], 2)[0] - 1
    try:
        return CLIPConfig(
            embed_dim=shape(NAMES["text.text_projection"], 2)[0],
            image_resolution=math.isqrt(max(0, patches)) * patch,
            vision_patch=patch,
            vision_width=vision_width,
            vision_layers=_count_layers(state, "vision_model"),
            vision_heads=vision_heads or max(1, vision_width // HEAD_WIDTH),
            vision_mlp=shape("vision_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
            context_length=shape(NAMES["text.positional_embedding"], 2)[0],
            vocab_size=vocab_size,
            text_width=text_width,
            text_layers=_count_layers(state, "text_model"),
            text_heads=text_heads or max(1, text_width // HEAD_WIDTH),
            text_mlp=shape("text_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
            activation=activation,
        )
    except (ValueError, ZeroDivisionError) as error:
        raise ModelError("model.config_invalid", f"these sizes make no CLIP: {error}") from error


def _check_layout(state: Mapping[str, Tensor]) -> None:
    names = set(state)
    if {NAMES["visual.conv1.weight"], NAMES["text.token_embedding.weight"]} <= names:
        return
    if "visual.conv1.weight" in names or any(n.startswith(("visual.trunk.", "visual.layer1.")) for n in names):
        raise ModelError(
            "model.layout_unsupported",
            "these are CLIP's tensors under other names or with a ResNet tower; readable are ViT models in Hugging "
            "Face layout",
        )
    raise ModelError(
        "model.not_clip",
        f"none of CLIP's tensors is among these {len(names)}, such as {sorted(names)[:3]}: give a whole CLIP",
    )


def _count_layers(state: Mapping[str, Tensor], tower: str) -> int:
    pattern = re.compile(rf"{tower}\.encoder\.layers\.(\d+)\.")
    return len({match[1] for name in state if (match := pattern.match(name))})


def from_huggingface(state: Mapping[str, Tensor], config: CLIPConfig) -> CLIP:
    """A model in fp32 on the CPU with the given weights; every tensor must be there, of the right shape, once.

    Raises ModelError `model.weights_invalid`.
    """
    with torch.device("meta"):  # shapes only: the weights that come take the place, nothing is drawn at random
        model = CLIP(config)
    wanted = {theirs for theirs, _, _ in _layout(config)}
    # Old versions stored a buffer that only counts from 0.
    surplus = sorted(n for n in state if n not in wanted and not n.endswith(".position_ids"))
    missing = sorted(wanted - set(state))
    if missing or surplus:
        raise ModelError(
            "model.weights_invalid",
            f"{len(missing)} tensors are missing {missing[:3]}, {len(surplus)} surplus {surplus[:3]}",
        )
    parts: dict[str, list[Tensor]] = {}
    for theirs, ours, _ in _layout(config):  # query, key, value of a block come one after the other
        tensor = state[theirs].to(torch.float32)
        parts.setdefault(ours, []).append(tensor.T if ours in TRANSPOSED and tensor.ndim == 2 else tensor)
    try:
        tensors = {ours: torch.cat(found) if len(found) > 1 else found[0].contiguous() for ours, found in parts.items()}
        tensors["logit_scale"] = tensors["logit_scale"].reshape(())  # some writers store a vector of one
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise ModelError("model.weights_invalid", f"shapes contradict each other: {error}") from error
    return model.eval()


def to_huggingface(model: CLIP) -> dict[str, Tensor]:
    """The weights under Hugging Face's names, contiguous, in the model's dtype; the inverse of `from_huggingface`."""
    ours_state = model.state_dict()
    state = {}
    for theirs, ours, third in _layout(model.config):
        tensor = ours_state[ours] if third is None else ours_state[ours].chunk(3)[third]
        state[theirs] = (tensor.T if ours in TRANSPOSED else tensor).contiguous()
    return state


def _layout(config: CLIPConfig) -> list[tuple[str, str, int | None]]:
    """(their name, our name, which third of ours it is) for every tensor of theirs."""
    rows: list[tuple[str, str, int | None]] = [(theirs, ours, None) for ours, theirs in NAMES.items()]
    layers = {"visual": config.vision_layers, "text": config.text_layers}
    for ours_tower, theirs_tower in TOWERS.items():
        for n in range(layers[ours_tower]):
            ours_block, theirs_block = f"{ours_tower}.transformer.resblocks.{n}", f"{theirs_tower}.encoder.layers.{n}"
            for kind in ("weight", "bias"):
                for third, projection in enumerate(("q_proj", "k_proj", "v_proj")):
                    rows.append(
                        (f"{theirs_block}.self_attn.{projection}.{kind}", f"{ours_block}.attn.in_proj.{kind}", third)
                    )
                rows += [
                    (f"{theirs_block}.{t}.{kind}", f"{ours_block}.{o}.{kind}", None) for o, t in BLOCK_NAMES.items()
                ]
    return rows
