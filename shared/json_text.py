"""JSON as every database can store it and look into it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

#: A null, as it is written; an even number of backslashes before it stand for themselves.
_NULL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def storable(value: Any) -> str:
    """JSON whose texts hold neither nulls (they become U+FFFD) nor halves of characters (`?`), nor numbers JSON lacks.

    PostgreSQL stores the former, and SQLite the latter, and then refuse every question about any field of that JSON.
    Sources: PostgreSQL's manual, "JSON Types"; SQLite's, "JSON Functions And Operators".
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False)
    if "\\u0000" in text:
        text = _NULL.sub("\\1\ufffd", text)
    return text if text.isascii() else text.encode(errors="replace").decode()


def _finite(value: Any) -> Any:
    """With null in place of what is no number, or too large for one."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
