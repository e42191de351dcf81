"""The lines of a stored JSONL file."""

from __future__ import annotations

from collections.abc import Iterator

from shared.errors import InvalidParameters
from shared.files import FileStore
from shared.units import MIB, format_bytes

#: Bytes that one request may have.
_LONGEST = 64 * MIB


def lines(store: FileStore, file_id: str, size: int) -> Iterator[tuple[int, bytes]]:
    """Every line that is not blank, with its number from 1. Raises NotFound, and InvalidParameters for a huge one."""
    for number, line in enumerate(_split(store, file_id, size), 1):
        if line.strip():
            yield number, line


def _split(store: FileStore, file_id: str, size: int) -> Iterator[bytes]:
    rest: list[bytes] = []
    length = 0
    for piece in store.pieces(file_id, 0, size):
        first, *more = piece.split(b"\n")
        rest.append(first)
        length += len(first)
        for begun in more:
            yield b"".join(rest)
            rest, length = [begun], len(begun)
        if length > _LONGEST:
            raise InvalidParameters(
                "A line of the file is too long",
                f"a request may have {format_bytes(_LONGEST)}",
                "write one request a line",
            )
    yield b"".join(rest)
