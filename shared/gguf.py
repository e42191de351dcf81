"""The header of a GGUF file, versions 2 and 3: what the model is, without its weights.

Layout: magic, version, counts, metadata (key, type, value), tensor infos, padding, tensor data
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from shared.binary import Reader, Stream
from shared.errors import InvalidInput
from shared.units import MIB

MAGIC = b"GGUF"
#: Bytes of metadata and tensor infos; vocabularies of 256,000 words take about 16 MiB.
HEADER_LIMIT = 192 * MIB
LONGEST_STRING = 16 * MIB
LONGEST_KEY = 65535
#: Longer arrays (vocabularies) are stepped over and only counted.
KEPT_ITEMS = 4096
MOST_ITEMS = 4_000_000
MOST_KEYS = 65536
MOST_TENSORS = 1_000_000
MOST_DIMENSIONS = 8

_STRING, _ARRAY = 8, 9
#: Metadata value types by number, as `struct` codes.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

#: Elements and bytes of a block, by tensor type (ggml.h, `type_traits`).
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
}  # fmt: skip


@dataclass(frozen=True)
class Counted:
    """An array too long to keep."""

    length: int


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself."""

    version: int
    metadata: dict[str, Any] = field(repr=False)
    tensors: int
    #: Bytes the file must have to hold every tensor; of unknown types only the start is counted.
    size: int

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    def of_architecture(self, key: str) -> Any:
        """The value of `<architecture>.<key>`; `None` when it is not there."""
        return self.metadata.get(f"{self.architecture}.{key}")


def read_header(stream: Stream, what: str = "The GGUF file", keep: int = KEPT_ITEMS) -> Header:
    """The header of a whole GGUF file, with arrays of up to `keep` items.

    Raises InvalidInput when it is damaged or cut short.
    """
    reader = Reader(stream, what, HEADER_LIMIT)
    if reader.size < 4 or reader.raw(4) != MAGIC:
        raise InvalidInput(f"{what} is not a GGUF file", "It does not begin with GGUF.", "name a GGUF file")
    version = reader.number("I")
    if version not in (2, 3):
        raise reader.broken(f"version {version} is unknown (2 and 3 are known; big-endian files are not)")
    tensors, keys = reader.number("Q"), reader.number("Q")
    if tensors > MOST_TENSORS or keys > MOST_KEYS:
        raise reader.broken(f"it announces {tensors} tensors and {keys} keys")
    metadata = dict(_entry(reader, keep) for _ in range(keys))
    ends = [_tensor_end(reader) for _ in range(tensors)]
    size = _aligned(reader, metadata) + max(ends, default=0)
    if size > reader.size:
        raise InvalidInput(
            f"{what} is cut short",
            f"It has {reader.size} bytes, its tensors need {size}.",
            "download or copy the file again",
        )
    return Header(version=version, metadata=metadata, tensors=tensors, size=size)


def _entry(reader: Reader, keep: int) -> tuple[str, Any]:
    key = reader.text(reader.number("Q"), LONGEST_KEY)
    return key, _value(reader, reader.number("I"), keep)


def _value(reader: Reader, kind: int, keep: int) -> Any:
    if kind == _STRING:
        return reader.text(reader.number("Q"), LONGEST_STRING)
    if kind == _ARRAY:
        return _array(reader, keep)
    if kind in _SCALARS:
        return reader.number(_SCALARS[kind])
    raise reader.broken(f"value type {kind} is unknown")


def _array(reader: Reader, keep: int) -> Any:
    kind, length = reader.number("I"), reader.number("Q")
    # An array of arrays is allowed by the format and used by nobody; refusing it bounds the recursion.
    if kind == _ARRAY:
        raise reader.broken("an array of arrays")
    if length > MOST_ITEMS:
        raise reader.broken(f"an array of {length} items")
    if length <= keep:
        return tuple(_value(reader, kind, keep) for _ in range(length))
    if kind in _WIDTHS:
        reader.skip(_WIDTHS[kind] * length)
    elif kind == _STRING:
        _skip_strings(reader, length)
    else:
        raise reader.broken(f"value type {kind} is unknown")
    return Counted(length)


def _skip_strings(reader: Reader, length: int) -> None:
    for _ in range(length):
        reader.skip(reader.number("Q"))


def _tensor_end(reader: Reader) -> int:
    """Where a tensor ends, in bytes from the start of the data."""
    reader.text(reader.number("Q"), LONGEST_KEY)
    rank = reader.number("I")
    if rank > MOST_DIMENSIONS:
        raise reader.broken(f"a tensor of {rank} dimensions")
    elements = prod(reader.number("Q") for _ in range(rank))
    kind, offset = reader.number("I"), reader.number("Q")
    per_block, block = _BLOCKS.get(kind, (1, 0))
    return int(offset + -(-elements // per_block) * block)


def _aligned(reader: Reader, metadata: dict[str, Any]) -> int:
    """Where the tensor data starts."""
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= MIB:
        raise reader.broken(f"an alignment of {alignment!r}")
    return -(-reader.position // alignment) * alignment
