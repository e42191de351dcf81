"""The lines of a stored JSONL file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from shared.errors import InvalidParameters
from shared.files import FileStore
from shared.strict_json import strict_json
from shared.units import MIB, format_bytes

#: Bytes that one request may have.
_LONGEST = 64 * MIB
#: Half a character, as JSON may have it: no file, no database and no engine takes one.
_HALVES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


def lines(store: FileStore, file_id: str, size: int) -> Iterator[tuple[int, bytes]]:
    """Every line that is not blank, with its number from 1. Raises NotFound, and InvalidParameters for a huge one."""
    for number, line in enumerate(_split(store, file_id, size), 1):
        if line.strip():
            yield number, line


def parsed(line: bytes) -> Any:
    """What a line says, with question marks for halves of characters. Raises InvalidParameters."""
    try:
        # As UTF-8, with the mark that some editors begin it with: by itself `json` would guess.
        written = strict_json(line.decode("utf-8-sig", "surrogatepass"))
        if _HALVES.search(line):
            written = json.loads(json.dumps(written, ensure_ascii=False).encode(errors="replace"))
        return written
    except (ValueError, RecursionError) as error:
        raise InvalidParameters("The line is not JSON", str(error), "write one JSON object a line") from error


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
