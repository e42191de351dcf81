"""OpenAI's embeddings: `POST /v1/embeddings`, as floats or as base64, for texts or token ids."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway.exchange import Exchange
from api.gateway.model_names import asked_for
from api.gateway.openai_carrying import carried
from api.gateway.reading import read_object, want
from api.gateway.vectors import Form, dimensions_of, formed, shortened
from shared.errors import InvalidParameters
from shared.requests import EMBEDDING
from shared.vocabulary import Capability

router = APIRouter(tags=["openai"])
shapes.register(shapes.OPENAI, EMBEDDING)


@router.post(EMBEDDING, response_class=Response)
async def embed(request: Request, caller: Submitter) -> Response:
    """Vectors for texts, on a ready run of `model` or on one that is started for it."""
    return await carried(request, read(await read_object(request)))


def read(asked: dict[str, Any]) -> Exchange:
    """The request. Raises InvalidParameters."""
    model = asked_for(asked)
    given = asked.get("input")
    if not given or not isinstance(given, str | list):
        raise InvalidParameters(
            "input is missing", "it is what to embed", "give a text, a list of texts, or token ids", field="input"
        )
    form = want(asked, "encoding_format", str) or "float"
    if form not in ("float", "base64"):
        raise InvalidParameters(
            "encoding_format is wrong", f"it is {form!r}", "give float or base64", field="encoding_format"
        )
    body = {name: value for name, value in asked.items() if name not in ("model", "encoding_format", "dimensions")}
    # Engines are always asked for numbers: not all of them know the other form.
    whole = partial(_whole, _form(form == "base64", dimensions_of(asked)))
    return Exchange(model, Capability.EMBED, EMBEDDING, body | {"encoding_format": "float"}, whole)


def _form(base64: bool, dimensions: int | None) -> Form | None:
    """What becomes of the numbers; `None`: nothing."""
    if base64:
        return lambda numbers: _base64(shortened(numbers, dimensions))
    return None if dimensions is None else lambda numbers: shortened(numbers, dimensions)


def _whole(form: Form | None, said: dict[str, Any]) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": item.get("index", index), "embedding": formed(item["embedding"], form)}
        for index, item in enumerate(said.get("data") or ())
    ]
    counted = said.get("usage") or {}
    prompt = counted.get("prompt_tokens") or counted.get("total_tokens") or 0
    usage = {"prompt_tokens": prompt, "total_tokens": counted.get("total_tokens") or prompt}
    return {"object": "list", "data": data, "model": said.get("model"), "usage": usage}


def _base64(numbers: Sequence[float]) -> str:
    """Little-endian 32-bit floats, which is what OpenAI's own clients ask for by default.

    Raises ValueError when one is none, or too large.
    """
    try:
        return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    except (struct.error, OverflowError) as error:
        raise ValueError(f"a number of the embedding is none of 32 bits: {error}") from error
