"""Models of a few bytes, made by hand: whole for every reader of headers, useless to any engine."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

LLAMA: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.block_count": 4,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
}


def gguf(metadata: Mapping[str, Any] = LLAMA, *, data: int = 4096, version: int = 3) -> bytes:
    """A GGUF file with one tensor of `data` bytes (a multiple of 4)."""
    head = b"GGUF" + struct.pack("<IQQ", version, 1, len(metadata))
    head += b"".join(_text(key) + _value(value) for key, value in metadata.items())
    head += _text("tensor") + struct.pack("<IQIQ", 1, data // 4, 0, 0)
    body = bytes((index * 7 + index // 251) % 256 for index in range(min(data, 65536)))
    return head + bytes(-len(head) % 32) + (body * (data // max(len(body), 1) + 1))[:data]


def projector(width: int = 576, **said: Any) -> bytes:
    """An encoder of pictures, as of Gemma 3 but tiny and by chance, that llama.cpp loads beside a model of `width`."""
    image, patch, hidden, between = 64, 16, 64, 128
    sizes = {"image_size": image, "patch_size": patch, "embedding_length": hidden, "feed_forward_length": between}
    sizes |= {"projection_dim": width, "block_count": 1, "attention.head_count": 2, "projector.scale_factor": 2}
    metadata = {"general.architecture": "clip", "clip.has_vision_encoder": True, "clip.projector_type": "gemma3"}
    metadata |= {f"clip.vision.{name}": size for name, size in sizes.items()}
    metadata |= {f"clip.vision.image_{name}": [0.5, 0.5, 0.5] for name in ("mean", "std")}
    metadata |= {"clip.vision.attention.layer_norm_epsilon": 1e-6, "clip.use_gelu": True} | said
    block = {f"{name}.weight": (hidden, hidden) for name in ("attn_q", "attn_k", "attn_v", "attn_out")}
    block |= {"ffn_up.weight": (hidden, between), "ffn_down.weight": (between, hidden), "ffn_up.bias": (between,)}
    block |= {f"{name}.weight": (hidden,) for name in ("ln1", "ln2")}
    block |= {
        f"{name}.bias": (hidden,) for name in ("ln1", "ln2", "attn_q", "attn_k", "attn_v", "attn_out", "ffn_down")
    }
    return _tensors(
        metadata,
        {
            "v.patch_embd.weight": (patch, patch, 3, hidden),
            "v.patch_embd.bias": (hidden,),
            "v.position_embd.weight": (hidden, (image // patch) ** 2),
            **{f"v.blk.0.{name}": shape for name, shape in block.items()},
            "v.post_ln.weight": (hidden,),
            "v.post_ln.bias": (hidden,),
            "mm.input_projection.weight": (width, hidden),
            "mm.soft_emb_norm.weight": (hidden,),
        },
    )


def png(width: int = 8, height: int = 8) -> bytes:
    """A picture of many colours."""
    rows = b"".join(b"\0" + bytes((row * 7 + at) % 256 for at in range(3 * width)) for row in range(height))
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(rows), b"IEND": b""}
    chunks = (struct.pack(">I", len(data)) + kind + data for kind, data in parts.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk + struct.pack(">I", zlib.crc32(chunk[4:])) for chunk in chunks)


def _tensors(metadata: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> bytes:
    """A GGUF file of float32 tensors by chance; the first number of a shape is that of its innermost elements."""
    chance = random.Random(1)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(metadata))
    head += b"".join(_text(key) + _value(value) for key, value in metadata.items())
    body = b""
    for name, shape in shapes.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(body))
        body += struct.pack(f"<{prod(shape)}f", *(chance.gauss(0, 0.02) for _ in range(prod(shape))))
        body += bytes(-len(body) % 32)
    return head + bytes(-len(head) % 32) + body


def safetensors(data: int = 64) -> bytes:
    """A safetensors file with one tensor of `data` bytes."""
    header = json.dumps({"weight": {"dtype": "U8", "shape": [data], "data_offsets": [0, data]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(data)


def ctranslate2(spec: str = "WhisperSpec", hidden: int = 384, words: int = 51864, layers: int = 4) -> bytes:
    """A CTranslate2 model with variables that are all shape and little content."""
    shapes: dict[str, tuple[int, ...]] = {"decoder/embeddings/weight": (words, hidden)}
    shapes |= {f"decoder/layer_{layer}/ffn/linear_0/bias": (4,) for layer in range(layers)}
    head = struct.pack("<I", 6) + _short(spec) + struct.pack("<II", 3, len(shapes))
    return head + b"".join(_variable(name, shape) for name, shape in shapes.items()) + struct.pack("<I", 0)


def folder(path: Path, config: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> Path:
    """A safetensors folder with the given config.json."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    for name, content in (files or {"model.safetensors": safetensors()}).items():
        (path / name).write_bytes(content)
    return path


def _variable(name: str, shape: Sequence[int]) -> bytes:
    dimensions = struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return _short(name) + dimensions + struct.pack("<BI", 4, 8) + bytes(8)


def _short(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<Ii", 5, value) if value < 0 else struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case list():
            items = b"".join(_value(item)[4:] for item in value)
            kind = _value(value[0])[:4] if value else struct.pack("<I", 4)
            return struct.pack("<I", 9) + kind + struct.pack("<Q", len(value)) + items
    raise TypeError(type(value))
