"""The `config.json` of a safetensors folder: shape, context and capabilities, in Transformers' words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.attention import split_by_period, split_by_type
from shared.errors import InvalidInput
from shared.runtimes import ModelShape
from shared.units import MIB
from shared.vocabulary import Capability

#: Tokens a Whisper decoder writes for one window of 30 s.
WHISPER_CONTEXT = 448

_LARGEST = 16 * MIB
_GENERATORS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForImageTextToText")


def read_json(path: Path) -> dict[str, Any]:
    """An object from a small file. Raises InvalidInput when it is not one."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST} bytes")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path.name} cannot be read", str(error), "download or copy the folder again") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"{path.name} is no JSON object", "", "download or copy the folder again")
    return content


def capabilities(config: dict[str, Any], folder: Path) -> tuple[Capability, ...]:
    """What the model can do; a folder of sentence-transformers, or a model without a head, makes embeddings."""
    if config.get("model_type") == "whisper":
        return (Capability.TRANSCRIBE,)
    if (folder / "modules.json").exists() or (folder / "1_Pooling").is_dir():
        return (Capability.EMBED,)
    names = config.get("architectures")
    classes = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if not classes or any(name.endswith(_GENERATORS) for name in classes):
        return (Capability.GENERATE,)
    return (Capability.EMBED,)


def shape(config: dict[str, Any]) -> ModelShape:
    """The architecture in numbers; of a multimodal model, that of its language part."""
    if config.get("model_type") == "whisper":
        return _whisper(config)
    text = _language_part(config)
    architecture = _architecture(config, text)
    layers, heads = _number(text, "num_hidden_layers", "n_layer"), _number(text, "num_attention_heads", "n_head")
    hidden = _number(text, "hidden_size", "n_embd")
    even = hidden // heads if hidden and heads else None
    key = value = _number(text, "head_dim") or even
    kv_heads = _number(text, "num_key_value_heads") or heads
    latent = _number(text, "kv_lora_rank")
    if latent:
        # Multi-head latent attention: engines cache the latent and the rotary part, once for all heads.
        kv_heads, key, value = 1, latent + (_number(text, "qk_rope_head_dim") or 0), 0
    full, windowed = _layers(text, architecture, layers)
    return ModelShape(
        architecture=architecture,
        layers=layers,
        attention_layers=full,
        kv_heads=kv_heads,
        key_dim=key,
        value_dim=value,
        window=_number(text, "sliding_window") if windowed else None,
        window_layers=windowed,
        vocabulary=_number(text, "vocab_size"),
        hidden=hidden,
        context=_number(text, "max_position_embeddings", "n_positions", "max_sequence_length"),
    )


def _whisper(config: dict[str, Any]) -> ModelShape:
    layers, hidden = _number(config, "decoder_layers"), _number(config, "d_model")
    heads = _number(config, "decoder_attention_heads")
    even = hidden // heads if hidden and heads else None
    return ModelShape(
        architecture="whisper",
        layers=layers,
        attention_layers=layers,
        kv_heads=heads,
        key_dim=even,
        value_dim=even,
        vocabulary=_number(config, "vocab_size"),
        hidden=hidden,
        context=_number(config, "max_target_positions") or WHISPER_CONTEXT,
    )


def _language_part(config: dict[str, Any]) -> dict[str, Any]:
    for key in ("text_config", "llm_config", "language_config"):
        if isinstance(config.get(key), dict):
            return {**config, **config[key]}
    return config


def _architecture(config: dict[str, Any], text: dict[str, Any]) -> str:
    name = text.get("model_type") or config.get("model_type") or ""
    return name if isinstance(name, str) else ""


def _layers(text: dict[str, Any], architecture: str, layers: int | None) -> tuple[int | None, int]:
    """Layers that cache the whole context, and those that cache a window."""
    if layers is None:
        return None, 0
    for key in ("layer_types", "layers_block_type"):
        if isinstance(text.get(key), list):
            return split_by_type(text[key])
    interval = _number(text, "full_attention_interval")
    if interval:
        return layers // interval, 0
    if not _number(text, "sliding_window") or text.get("use_sliding_window") is False:
        return layers, 0
    return split_by_period(architecture, layers, _number(text, "sliding_window_pattern"))


def _number(config: dict[str, Any], *keys: str) -> int | None:
    """The first of `keys` that holds a count that makes sense."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40:
            return value
    return None
