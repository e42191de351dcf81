"""The arguments of a call of a tool: small models write broken JSON, and a limit cuts it off.

Clients and engines get what is no object as the argument `arguments`: rather than nothing, or what they cannot read.
"""

from __future__ import annotations

import json
import re
from typing import Any

from api.gateway.reading import strict_json
from shared.nesting import flat

#: Half a character, or the half of a pair that makes a whole one: engines do not read the former.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def given(written: str) -> dict[str, Any]:
    """What the function is given."""
    found = _object(written.strip() or "{}")
    return {"arguments": written} if found is None else found


def readable(written: str) -> str:
    """The JSON of an object. One that was written well stays to the letter, for engines know the prompt by it."""
    if _object(written) is not None and _HALF.search(written) is None:
        return written
    return json.dumps(given(written), ensure_ascii=False)


def _object(written: str) -> dict[str, Any] | None:
    try:
        found = flat(strict_json(written))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
