"""JSON as every database can store it and look into it."""

from __future__ import annotations

import json
import re
from typing import Any

#: A null, as it is written; an even number of backslashes before it stand for themselves.
_NULL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def storable(value: Any) -> str:
    """JSON whose texts hold neither nulls (they become U+FFFD) nor halves of characters (`?`).

    PostgreSQL stores both, and then refuses every question about any field of that JSON. Source: its manual, "JSON
    Types".
    """
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text:
        text = _NULL.sub("\\1\ufffd", text)
    return text if text.isascii() else text.encode(errors="replace").decode()
