"""The `config.json` of a safetensors folder: shape, context and capabilities, in Transformers' words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.attention import split_by_period, split_by_type
from shared.errors import InvalidInput
from shared.numbers import count
from shared.recurrent import recurrent_layer, recurrent_layers
from shared.runtimes import ModelShape
from shared.units import MIB
from shared.vocabulary import Capability

#: Tokens a Whisper decoder writes for one window of 30 s, and positions of the encoder's output for it.
WHISPER_CONTEXT, WHISPER_POSITIONS = 448, 1500

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
    layers, heads = count(text, "num_hidden_layers", "n_layer"), count(text, "num_attention_heads", "n_head")
    hidden = count(text, "hidden_size", "n_embd")
    kv_heads, key, value = _attention(text, hidden, heads)
    full, windowed = _layers(text, architecture, layers)
    recurrent = recurrent_layer(text, architecture)
    recurring = recurrent_layers(text, architecture, layers or 0, (full or 0) + windowed)
    forward, experts = _feed_forward(text)
    return ModelShape(
        architecture=architecture,
        layers=layers,
        attention_layers=full,
        kv_heads=kv_heads,
        key_dim=key,
        value_dim=value,
        window=count(text, "sliding_window", "attention_chunk_size") if windowed else None,
        window_layers=windowed,
        vocabulary=count(text, "vocab_size"),
        hidden=hidden,
        context=count(text, "max_position_embeddings", "n_positions", "max_sequence_length"),
        query_heads=heads,
        query_dim=_latent_query(text),
        feed_forward=forward,
        experts=experts,
        state=recurrent.state * recurring,
        convolution=recurrent.convolution * recurring,
        recurrent_width=recurrent.width if recurring else 0,
        stepped_state=recurrent.stepped if recurring else 0,
        element=4 if (text.get("dtype") or text.get("torch_dtype")) == "float32" else 2,
    )


def _attention(
    text: dict[str, Any], hidden: int | None, heads: int | None
) -> tuple[int | None, int | None, int | None]:
    """KV heads, and the widths of a key and of a value, as they are cached."""
    latent = count(text, "kv_lora_rank")
    if latent:
        # Multi-head latent attention: engines cache the latent and the rotary part, once for all heads; DeepSeek V3.2
        # also keeps a key for the indexer that chooses what is attended to.
        rotary, index = count(text, "qk_rope_head_dim") or 0, count(text, "index_head_dim") or 0
        return 1, latent + rotary + index, 0
    even = hidden // heads if hidden and heads else None
    width = count(text, "head_dim") or even
    return count(text, "num_key_value_heads") or heads, width, width


def _latent_query(text: dict[str, Any]) -> int | None:
    parts = (count(text, "qk_nope_head_dim"), count(text, "qk_rope_head_dim"))
    return sum(part or 0 for part in parts) or None if count(text, "kv_lora_rank") else None


def _feed_forward(text: dict[str, Any]) -> tuple[int | None, int]:
    """Width of a feed-forward block, and how many of them a token goes through."""
    experts = count(text, "num_experts_per_tok", "num_experts_per_token", "moe_topk")
    if experts is None:
        return count(text, "intermediate_size", "n_inner", "ffn_dim"), 1
    shared = count(text, "n_shared_experts") or 0
    return count(text, "moe_intermediate_size", "intermediate_size"), experts + shared


def _whisper(config: dict[str, Any]) -> ModelShape:
    layers, hidden = count(config, "decoder_layers"), count(config, "d_model")
    heads = count(config, "decoder_attention_heads")
    even = hidden // heads if hidden and heads else None
    return ModelShape(
        architecture="whisper",
        layers=layers,
        attention_layers=layers,
        kv_heads=heads,
        key_dim=even,
        value_dim=even,
        vocabulary=count(config, "vocab_size"),
        hidden=hidden,
        context=count(config, "max_target_positions") or WHISPER_CONTEXT,
        query_heads=heads,
        feed_forward=count(config, "decoder_ffn_dim"),
        encoder_layers=count(config, "encoder_layers") or 0,
        encoder_context=count(config, "max_source_positions") or WHISPER_POSITIONS,
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
    told = _told_otherwise(text, architecture, layers)
    if told is not None:
        return told, 0
    interval = count(text, "full_attention_interval")
    if interval:
        return layers // interval, 0
    if not count(text, "sliding_window") or text.get("use_sliding_window") is False:
        return layers, 0
    return split_by_period(architecture, layers, count(text, "sliding_window_pattern"))


def _told_otherwise(text: dict[str, Any], architecture: str, layers: int) -> int | None:
    """Attention layers of the hybrids that neither name each layer nor give an interval; `None` for all others."""
    pattern, linear = text.get("hybrid_override_pattern"), text.get("linear_attn_config")
    if isinstance(pattern, str | list):
        return sum(part in ("*", "attention") for part in pattern)
    if isinstance(linear, dict) and isinstance(linear.get("full_attn_layers"), list):
        return len(linear["full_attn_layers"])
    if isinstance(text.get("full_attn_idxs"), list):
        return len(text["full_attn_idxs"])
    period = count(text, "attn_layer_period")
    if period:
        offset = text.get("attn_layer_offset")
        return len(range(offset if isinstance(offset, int) and offset >= 0 else 0, layers, period))
    return 0 if architecture.startswith(("mamba", "falcon_mamba", "rwkv")) else None
