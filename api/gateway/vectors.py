"""Vectors of embeddings, made as short as a client wants them: engines give all that the model has, whatever is asked.

Source: OpenAI's guide, "Embeddings", on `dimensions`: the first numbers of a vector, brought to length 1 again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters


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
