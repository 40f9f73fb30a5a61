"""What `load` finds, and that every bad weight file is refused with a code and without running it."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from safetensors.torch import save_file

from workers.clip import CLIP, ModelError, available_models, load, tokenize
from workers.clip.demo.export import huggingface_config, preprocessor_config
from workers.clip.weights import infer_config, to_huggingface

from .conftest import SMALL


@pytest.fixture
def repository(small: CLIP, tmp_path: Path) -> Path:
    save_file(to_huggingface(small), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(huggingface_config(SMALL)))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessor_config(32)))
    return tmp_path


def code_of(path: Path | str, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load(path, device="cpu", **options)
    return caught.value.code


def same(a: CLIP, b: CLIP) -> bool:
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


def test_a_directory_loads(repository: Path, small: CLIP) -> None:
    model, preprocess = load(repository, device="cpu")
    assert model.config == SMALL
    assert not model.training
    assert preprocess.resolution == 32
    assert same(model, small)


def test_a_file_loads_with_the_configuration_beside_it(repository: Path, small: CLIP) -> None:
    assert same(load(str(repository / "model.safetensors"), device="cpu")[0], small)


def test_a_pickle_of_tensors_loads(repository: Path, small: CLIP) -> None:
    (repository / "model.safetensors").unlink()
    torch.save({"state_dict": to_huggingface(small), "epoch": 3}, repository / "pytorch_model.bin")
    assert same(load(repository, device="cpu")[0], small)


def test_shards_load(repository: Path, small: CLIP) -> None:
    (repository / "model.safetensors").unlink()
    state = to_huggingface(small)
    names = sorted(state)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: state[name] for name in part}, repository / file)
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (repository / "model.safetensors.index.json").write_text(json.dumps(index))
    assert same(load(repository, device="cpu")[0], small)


@pytest.mark.parametrize("outside", ["../secret.safetensors", "/etc/passwd", "model.safetensors.index.json", 7])
def test_an_index_cannot_name_files_elsewhere(tmp_path: Path, outside: Any) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": outside}}))
    assert code_of(tmp_path) == "model.weights_truncated"


class Trap:
    """Makes a directory when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle"])
def test_a_pickle_with_code_is_refused_and_does_not_run(tmp_path: Path, form: str) -> None:
    proof, path = tmp_path / "it-ran", tmp_path / "pytorch_model.bin"
    trap = {"logit_scale": torch.zeros(()), "trap": Trap(proof)}
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(trap["trap"]))
    else:
        torch.save(trap, path, _use_new_zipfile_serialization=form == "zip")
    assert code_of(tmp_path) == "model.unsafe_pickle"
    assert not proof.exists()
    if form == "plain pickle":  # the trap is a real one
        pickle.loads(path.read_bytes())
        assert proof.exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_refused(repository: Path, small: CLIP, share: float) -> None:
    path = repository / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert code_of(repository) == "model.weights_truncated"
    path.unlink()
    torch.save(to_huggingface(small), repository / "pytorch_model.bin")
    data = (repository / "pytorch_model.bin").read_bytes()
    (repository / "pytorch_model.bin").write_bytes(data[: int(len(data) * share)])
    assert code_of(repository) == "model.weights_truncated"


@pytest.mark.parametrize("content", [b"these are no weights", bytes(range(7, 200)), b"\x00" * 64])
def test_a_file_of_something_else_is_not_taken_for_a_pickle_with_code(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    assert code_of(tmp_path) == "model.weights_truncated"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_pickle_always_ends_in_a_typed_error(tmp_path: Path, zipped: bool) -> None:
    state, path = to_huggingface(CLIP(replace(SMALL, vocab_size=50)).reset_parameters()), tmp_path / "pytorch_model.bin"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    whole, chooser = path.read_bytes(), random.Random(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(10):
            damaged[chooser.randrange(3000)] = chooser.randrange(256)
        path.write_bytes(damaged)
        with suppress(ModelError):  # some damage hits nothing that matters
            load(path, device="cpu")


def test_a_git_lfs_pointer_is_missing_weights(repository: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (repository / "model.safetensors").write_text(pointer)
    assert code_of(repository) == "model.weights_missing"


def test_a_directory_without_weights_says_so(tmp_path: Path) -> None:
    assert code_of(tmp_path) == "model.weights_missing"


def test_another_architecture_is_not_clip(tmp_path: Path) -> None:
    bert = {
        "bert.embeddings.word_embeddings.weight": torch.zeros(10, 4),
        "bert.encoder.layer.0.attention.self.query.weight": torch.zeros(4, 4),
    }
    save_file(bert, tmp_path / "model.safetensors")
    assert code_of(tmp_path) == "model.not_clip"


def test_a_pickle_of_something_else_is_not_clip(tmp_path: Path) -> None:
    torch.save([1, 2, 3], tmp_path / "pytorch_model.bin")
    assert code_of(tmp_path) == "model.not_clip"


@pytest.mark.parametrize("name", ["visual.conv1.weight", "visual.layer1.0.conv1.weight", "visual.trunk.stem.0.weight"])
def test_other_layouts_of_clip_are_named_as_such(tmp_path: Path, name: str) -> None:
    save_file({name: torch.zeros(4), "text_projection": torch.zeros(4)}, tmp_path / "model.safetensors")
    assert code_of(tmp_path) == "model.layout_unsupported"


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore:.*TorchScript")
def test_a_torchscript_archive_is_an_unsupported_layout(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "model.pt"))  # type: ignore[no-untyped-call]
    assert code_of(tmp_path / "model.pt") == "model.layout_unsupported"


@pytest.mark.parametrize("change", ["missing", "surplus", "shape", "dimensions", "scale", "third"])
def test_tensors_must_be_all_there_once_and_of_the_right_shape(repository: Path, small: CLIP, change: str) -> None:
    state = to_huggingface(small)
    name = "vision_model.encoder.layers.1.mlp.fc2.bias"
    if change == "missing":
        del state[name]
    elif change == "surplus":
        state["vision_model.extra"] = torch.zeros(1)
    elif change == "shape":
        state[name] = torch.zeros(7)
    elif change == "scale":
        state["logit_scale"] = torch.zeros(2)
    elif change == "third":
        state["text_model.encoder.layers.0.self_attn.k_proj.weight"] = torch.zeros(40)
    else:
        state["text_projection.weight"] = torch.zeros(7)
    save_file(state, repository / "model.safetensors")
    assert code_of(repository) == "model.weights_invalid"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("config.json", '{"vision_config": 3}'),
        ("config.json", '{"vision_config": {"num_attention_heads": 7}}'),
        ("config.json", '{"vision_config": {"num_attention_heads": true}}'),
        ("config.json", '{"text_config": {"num_attention_heads": -1}}'),
        ("config.json", '{"text_config": {"hidden_act": "relu"}, "vision_config": {"hidden_act": "relu"}}'),
        ("config.json", '{"text_config": {"hidden_act": ["gelu"]}}'),
        ("config.json", '{"text_config": {"layer_norm_eps": 1e-6}}'),
        ("preprocessor_config.json", '{"image_mean": 0.5}'),
        ("preprocessor_config.json", '{"image_std": [1, 1]}'),
        ("preprocessor_config.json", '{"image_std": [1, 0, 1]}'),
        ("preprocessor_config.json", '{"image_mean": [NaN, 0, 1]}'),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(repository: Path, file: str, content: str) -> None:
    (repository / file).write_text(content)
    assert code_of(repository) == "model.config_invalid"


def test_without_a_configuration_heads_have_the_published_width() -> None:
    config = infer_config(to_huggingface(CLIP(SMALL)))
    assert (config.vision_heads, config.text_heads, config.activation) == (1, 1, "quick_gelu")


def test_the_nine_official_names_are_known() -> None:
    assert len(available_models()) == len(set(available_models())) == 9
    assert {"RN50", "ViT-B/32", "ViT-L/14@336px"} <= set(available_models())


@pytest.mark.parametrize("name", available_models())
def test_an_official_name_without_weights_says_where_to_put_them(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load(name, root=tmp_path)
    assert caught.value.code == "model.weights_missing"
    assert str(tmp_path / name.replace("/", "-")) in caught.value.message


def test_an_official_name_finds_weights_under_the_root(repository: Path, small: CLIP, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "ViT-B-32").symlink_to(repository)
    assert same(load("ViT-B/32", device="cpu", root=root)[0], small)


@pytest.mark.parametrize("name", ["vit", "/no/such/place", "a/b/c", "../x", "a b/c"])
def test_a_name_that_means_nothing_is_unknown(name: str) -> None:
    assert code_of(name) == "model.unknown"


def test_a_repository_is_fetched_with_all_that_was_asked(
    repository: Path, small: CLIP, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(repo_id: str, **options: Any) -> str:
        asked.update(options, repo_id=repo_id)
        return str(repository)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    model, _ = load("team/clip", device="cpu", revision="main", endpoint="http://127.0.0.1:1", token="t")
    assert same(model, small)
    patterns = asked.pop("allow_patterns")
    assert asked == {"repo_id": "team/clip", "revision": "main", "endpoint": "http://127.0.0.1:1", "token": "t"}
    assert "model.safetensors" in patterns
    assert not any(pattern in ("*", "*.py") for pattern in patterns)


@pytest.mark.parametrize(
    "error", [ConnectionError("nobody listens"), httpx2.ReadTimeout("too slow"), ValueError("no such name")]
)
def test_a_hub_that_does_not_answer_is_a_typed_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(repo_id: str, **options: Any) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert code_of("team/clip") == "model.download_failed"


def test_a_loaded_model_encodes(repository: Path) -> None:
    model, _ = load(repository, device="cpu")
    with torch.inference_mode():
        logits_per_image, logits_per_text = model(torch.zeros(2, 3, 32, 32), tokenize(["a", "b", "c"]))
    assert logits_per_image.shape == (2, 3)
    assert torch.equal(logits_per_text, logits_per_image.T)
