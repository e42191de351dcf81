"""What a GGUF header means: the shape, the context and what the model can do."""

from __future__ import annotations

from typing import Any

from shared import gguf_recurrent
from shared.attention import split_by_period
from shared.errors import InvalidInput
from shared.gguf import Counted, Header
from shared.runtimes import ModelShape
from shared.vocabulary import Capability

#: Architectures that only make embeddings.
_ENCODERS = frozenset(
    {"bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "llama-embed", "modern-bert"}
    | {"neo-bert", "nomic-bert", "nomic-bert-moe", "t5encoder"}
)


def capabilities(header: Header) -> tuple[Capability, ...]:
    """What it can do. Raises InvalidInput for files that are only a part of a model."""
    kind = header.metadata.get("general.type", "model")
    if kind in {"adapter", "mmproj", "vocab", "imatrix"} or header.architecture == "clip":
        raise InvalidInput(
            f"This GGUF file is no model but its {'projector' if header.architecture == 'clip' else kind}",
            "It only works beside the model's own file.",
            "name the file that holds the model",
        )
    return (Capability.EMBED,) if _only_embeds(header) else (Capability.GENERATE,)


def context(header: Header) -> int | None:
    """Tokens the model was trained for."""
    return _number(header.of_architecture("context_length"))


def shape(header: Header) -> ModelShape:
    """The architecture in numbers; what the file does not say stays `None`."""
    layers = _number(header.of_architecture("block_count"))
    full, windowed = _layers(header, layers)
    recurring = gguf_recurrent.layers(header, (full or 0) + windowed)
    heads, per_layer = _kv_heads(header)
    key, value = _dimensions(header)
    if _is_latent(header):
        heads, per_layer = 1, ()
    return ModelShape(
        architecture=header.architecture,
        layers=layers,
        attention_layers=full,
        kv_heads=heads,
        kv_heads_per_layer=per_layer,
        key_dim=key,
        value_dim=value,
        window=_number(header.of_architecture("attention.sliding_window")) if windowed else None,
        window_layers=windowed,
        vocabulary=_vocabulary(header),
        hidden=_number(header.of_architecture("embedding_length")),
        context=context(header),
        query_heads=gguf_recurrent.heads(header) or None,
        query_dim=_number(header.of_architecture("attention.key_length_mla")),
        feed_forward=_feed_forward(header),
        experts=_number(header.of_architecture("expert_used_count")) or 1,
        state=gguf_recurrent.state(header) * recurring,
        convolution=gguf_recurrent.convolution(header) * recurring,
        embeds=_only_embeds(header),
    )


def _layers(header: Header, layers: int | None) -> tuple[int | None, int]:
    """Layers that cache the whole context, and those that cache a window."""
    if layers is None:
        return None, 0
    if header.architecture in _ENCODERS:
        # Every token sees all others at once, so that there is nothing to remember.
        return 0, 0
    interval = _number(header.of_architecture("full_attention_interval"))
    if interval:
        return layers // interval, 0
    if _number(header.of_architecture("ssm.state_size")) and not _most(header.of_architecture("attention.head_count")):
        return 0, 0
    per_layer = header.of_architecture("attention.head_count_kv")
    caching = sum(bool(heads) for heads in per_layer) if isinstance(per_layer, tuple) else layers
    if not _number(header.of_architecture("attention.sliding_window")):
        return caching, 0
    pattern = header.of_architecture("attention.sliding_window_pattern")
    if isinstance(pattern, tuple):
        windowed = min(sum(bool(item) for item in pattern), caching)
        return caching - windowed, windowed
    return split_by_period(header.architecture, caching, _number(pattern))


def _feed_forward(header: Header) -> int | None:
    """Width of the feed-forward block that a token goes through."""
    expert = _number(header.of_architecture("expert_feed_forward_length"))
    return expert or _most(header.of_architecture("feed_forward_length"))


def _only_embeds(header: Header) -> bool:
    return header.architecture in _ENCODERS or bool(_number(header.of_architecture("pooling_type")))


def _most(value: Any) -> int | None:
    """The largest of counts that are given for each layer, or the one that is given for all."""
    return max((_number(item) or 0 for item in value), default=0) if isinstance(value, tuple) else _number(value)


def _kv_heads(header: Header) -> tuple[int | None, tuple[int, ...]]:
    """KV heads of every layer, and one by one when they differ."""
    value = header.of_architecture("attention.head_count_kv")
    if value is None:
        value = header.of_architecture("attention.head_count")
    if isinstance(value, tuple):
        counts = tuple(_number(item) or 0 for item in value)
        distinct = set(counts) - {0}
        return (distinct.pop(), ()) if len(distinct) == 1 else (None, counts)
    return _number(value), ()


def _dimensions(header: Header) -> tuple[int | None, int | None]:
    """Elements of a key and of a value per head; explicit ones win over hidden / heads."""
    if _is_latent(header):
        latent = _number(header.of_architecture("attention.kv_lora_rank")) or 0
        return latent + (_number(header.of_architecture("rope.dimension_count")) or 0), 0
    key = _number(header.of_architecture("attention.key_length"))
    value = _number(header.of_architecture("attention.value_length"))
    hidden = _number(header.of_architecture("embedding_length"))
    heads = _most(header.of_architecture("attention.head_count"))
    even = hidden // heads if hidden and heads else None
    return key or even, value or even


def _is_latent(header: Header) -> bool:
    """Multi-head latent attention, in files new enough that engines cache only the latent."""
    known = ("attention.kv_lora_rank", "attention.key_length_mla")
    return all(_number(header.of_architecture(key)) for key in known)


def _vocabulary(header: Header) -> int | None:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, Counted):
        return tokens.length
    return len(tokens) if isinstance(tokens, tuple) else _number(header.of_architecture("vocab_size"))


def _number(value: Any) -> int | None:
    """A count that makes sense; the file may hold anything under any key."""
    sensible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40
    return value if sensible else None
