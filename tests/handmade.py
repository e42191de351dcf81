"""Models of a few bytes, made by hand: whole for every reader of headers, useless to any engine."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
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
