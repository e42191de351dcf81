"""How deep JSON from outside may be nested: what one reader just takes must not stop the next one.

Python reads about a thousand levels, Pydantic writes 255 and reads 200, each counted with what the value is wrapped in.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator

T = TypeVar("T")

#: Levels of lists and objects; schemas that people write have a dozen.
DEEPEST = 100


class TooDeep(ValueError):
    """Its lists and objects are nested too deep."""


def flat(value: T) -> T:
    """The value itself. Raises TooDeep where not every reader is sure to take it."""
    parts: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        parts = [part for part in parts if isinstance(part, (dict, list))]
        if not parts:
            return value
        parts = [inner for part in parts for inner in (part.values() if isinstance(part, dict) else part)]
    raise TooDeep(f"its lists and objects are nested too deep: {DEEPEST} levels are allowed, write it flatter")


#: An object of free JSON that is not nested too deep.
FlatObject = Annotated[dict[str, Any], AfterValidator(flat)]
