"""Is a safetensors file whole? Read from its header: 8 bytes of length, JSON, data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.binary import Reader
from shared.errors import InvalidInput
from shared.units import MIB

_LONGEST = 100 * MIB


def check_whole(path: Path) -> None:
    """Raises InvalidInput when the file is no safetensors file or is cut short."""
    with path.open("rb") as stream:
        reader = Reader(stream, path.name, _LONGEST + 8)
        text = reader.text(reader.number("Q"), _LONGEST)
        try:
            header = json.loads(text)
            end = max((_end(tensor) for name, tensor in header.items() if name != "__metadata__"), default=0)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise reader.broken("it is not the JSON the format asks for") from error
    if reader.position + end > reader.size:
        raise InvalidInput(
            f"{path.name} is cut short",
            f"It has {reader.size} bytes, its tensors need {reader.position + end}.",
            "download or copy the file again",
        )


def _end(tensor: dict[str, Any]) -> int:
    return int(tensor["data_offsets"][1])
