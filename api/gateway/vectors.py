"""Vectors of embeddings, made as short as a client wants them: engines give all that the model has, whatever is asked.

They may be a thousand of a thousand numbers each, which takes seconds to read and to write again. So an answer is read
without them, and each goes to the client as the engine wrote it, or is made what the client wants in a turn of its own.

Source: OpenAI's guide, "Embeddings", on `dimensions`: the first numbers of a vector, brought to length 1 again.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters

#: What a client reads in place of a vector's numbers, which it has not to be at all.
Form = Callable[[Sequence[float]], Any]

#: In a text the quotes would have backslashes, here and in the next.
_BEGINS = re.compile(rb'"embedding"\s*:\s*(?=\[)')
#: Stands for a vector in an answer that is written without them.
_PLACE = {"": ""}
_PLACE_TEXT = json.dumps(_PLACE).encode()


@dataclass(frozen=True, slots=True)
class Vector:
    """One as its engine wrote it, and what is to become of it."""

    text: bytes
    form: Form | None = None

    def encode(self) -> bytes:
        """As the client reads it. Raises InvalidParameters, and ValueError of what is no JSON."""
        return self.text if self.form is None else json.dumps(self.form(json.loads(self.text))).encode()


def formed(vector: Vector | Sequence[float], form: Form | None) -> Any:
    """What `form` makes of it, which for one as it was written is found out when that is sent."""
    if isinstance(vector, Vector):
        return replace(vector, form=form)
    return vector if form is None else form(vector)


def read(content: bytes, restored: Callable[[bytes], bytes]) -> dict[str, Any]:
    """An engine's answer: its vectors as they were written, the rest `restored` and read.

    Raises ValueError, TypeError, AttributeError and LookupError of what is no answer.
    """
    vectors: list[Vector] = []
    rest: list[bytes] = []
    place = 0
    while begins := _BEGINS.search(content, place):
        end = content.index(b"]", begins.end()) + 1
        rest += content[place : begins.end()], b"[%d]" % len(vectors)
        vectors.append(Vector(content[begins.end() : end]))
        place = end
    said: dict[str, Any] = json.loads(restored(b"".join([*rest, content[place:]])))
    for item in said.get("data") or ():
        if isinstance(item.get("embedding"), list):
            item["embedding"] = vectors[item["embedding"][0]]
    return said


async def written(said: Mapping[str, Any]) -> bytes:
    """The JSON of an answer; everybody else has a turn after each of its vectors. Raises as these do."""
    vectors: list[Vector] = []

    def put_off(vector: Any) -> dict[str, str]:
        if not isinstance(vector, Vector):
            raise TypeError(f"{type(vector).__name__} is no JSON")
        vectors.append(vector)
        return _PLACE

    text = json.dumps(said, ensure_ascii=False, default=put_off).encode(errors="replace")
    if not vectors:
        return text
    first, *others = text.split(_PLACE_TEXT)
    pieces = [first]
    for vector, other in zip(vectors, others, strict=True):
        pieces += vector.encode(), other
        await asyncio.sleep(0)
    return b"".join(pieces)


def dimensions_of(asked: Mapping[str, Any]) -> int | None:
    """How many numbers a vector shall have; `None`: all. Raises InvalidParameters."""
    wanted = want(asked, "dimensions", int)
    if wanted is not None and wanted < 1:
        raise InvalidParameters("dimensions is wrong", f"it is {wanted}", "give 1 or more", field="dimensions")
    return wanted


def shortened(vector: Sequence[float], dimensions: int | None) -> Sequence[float]:
    """The vector in so many numbers. Raises InvalidParameters when the model's have fewer."""
    if dimensions is None or dimensions == len(vector):
        return vector
    if dimensions > len(vector):
        raise InvalidParameters(
            "dimensions is too large", f"vectors of this model have {len(vector)} numbers, not {dimensions}",
            f"give {len(vector)} or fewer", field="dimensions",
        )  # fmt: skip
    first = vector[:dimensions]
    length = math.hypot(*first)
    return [number / length for number in first] if length else first
