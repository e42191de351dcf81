"""The `model.bin` of a CTranslate2 Whisper folder: the shape is only in the names and sizes of its variables.

Layout, version 6: version, spec name, revision, number of variables; each a name, a rank, dimensions, a type, a byte
count and data; then aliases
(https://github.com/OpenNMT/CTranslate2/blob/master/python/ctranslate2/specs/model_spec.py, `_serialize`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from shared.binary import Reader
from shared.errors import InvalidInput
from shared.runtimes import ModelShape
from shared.transformers_config import WHISPER_CONTEXT, WHISPER_POSITIONS
from shared.units import MIB

_LARGEST_HEADER = 16 * MIB
_LONGEST_NAME = 4096
_VERSIONS = range(3, 7)
_MOST_VARIABLES = 100_000
_LAYER = re.compile(r"(encoder|decoder)/layer_(\d+)/")

#: Hidden size of the published models.
_SIZES = {384: "tiny", 512: "base", 768: "small", 1024: "medium", 1280: "large"}
#: Every Whisper head has 64 elements.
_HEAD = 64
_ENGLISH_WORDS, _V3_WORDS = 51864, 51866
#: Bytes of an element by the number of its type (`DataType` in include/ctranslate2/types.h).
_ELEMENTS = {0: 4, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2}


class _Variable(NamedTuple):
    dimensions: tuple[int, ...]
    element: int


def read_shape(path: Path) -> ModelShape:
    """The decoder's shape. Raises InvalidInput when the file is damaged or no Whisper model."""
    with path.open("rb") as stream:
        reader = Reader(stream, f"{path.parent.name}/{path.name}", _LARGEST_HEADER)
        version = reader.number("I")
        if version not in _VERSIONS:
            raise reader.broken(f"version {version} is unknown")
        spec = _name(reader)
        if spec != "WhisperSpec":
            raise InvalidInput(
                f"{path.parent.name} is a CTranslate2 {spec}, no Whisper model",
                "Only Whisper is run in this format.",
                "use a GGUF or safetensors edition of the model",
            )
        reader.number("I")
        count = reader.number("I")
        if count > _MOST_VARIABLES:
            raise reader.broken(f"it announces {count} variables")
        variables = dict(_variable(reader) for _ in range(count))
    return _shape(variables)


def model_name(shape: ModelShape) -> str:
    """`whisper-tiny.en` and the like, from the shape alone."""
    size = _SIZES.get(shape.hidden or 0, "custom")
    if size == "large":
        size = "large-v3" if shape.vocabulary == _V3_WORDS else "large"
        size = {4: "large-v3-turbo", 2: f"distil-{size}"}.get(shape.layers or 0, size)
    return f"whisper-{size}{'.en' if shape.vocabulary == _ENGLISH_WORDS else ''}"


def _variable(reader: Reader) -> tuple[str, _Variable]:
    name = _name(reader)
    dimensions = tuple(reader.number("I") for _ in range(reader.number("B")))
    element = _ELEMENTS.get(reader.number("B"), 4)
    reader.skip_data(reader.number("I"))
    return name, _Variable(dimensions, element)


def _name(reader: Reader) -> str:
    return reader.text(reader.number("H"), _LONGEST_NAME).rstrip("\0")


def _shape(variables: dict[str, _Variable]) -> ModelShape:
    words = variables.get("decoder/embeddings/weight", _Variable((), 4))
    if len(words.dimensions) != 2:
        raise InvalidInput("The Whisper model has no word embeddings", "It is incomplete.", "convert it again")
    found = [match for name in variables if (match := _LAYER.match(name))]
    encoder, layers = (len({match[2] for match in found if match[1] == part}) for part in ("encoder", "decoder"))
    positions = variables.get("encoder/position_encodings/encodings", _Variable((WHISPER_POSITIONS,), 4))
    vocabulary, hidden = words.dimensions
    return ModelShape(
        architecture="whisper",
        layers=layers,
        attention_layers=layers,
        kv_heads=hidden // _HEAD,
        key_dim=_HEAD,
        value_dim=_HEAD,
        vocabulary=vocabulary,
        hidden=hidden,
        context=WHISPER_CONTEXT,
        query_heads=hidden // _HEAD,
        feed_forward=4 * hidden,
        encoder_layers=encoder,
        encoder_context=positions.dimensions[0],
        element=words.element,
    )
