"""JSON that other programs wrote: taken only as all who read or write it after us can take it."""

from __future__ import annotations

import json
import re
from typing import Any

from shared.nesting import flat

#: Half a character, or the half of a pair that makes a whole one.
_HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def read_foreign(written: bytes | str) -> Any:
    """What it says, with question marks for halves of characters. Raises ValueError, also when nested too deep."""
    text = written if isinstance(written, str) else written.decode(json.detect_encoding(written), "surrogatepass")
    try:
        said = flat(json.loads(text))
    except RecursionError as error:
        raise ValueError("its lists and objects are nested too deep") from error
    if _HALF.search(text):
        said = json.loads(json.dumps(said, ensure_ascii=False).encode(errors="replace"))
    return said
