"""Ollama's embeddings: `POST /api/embed` for texts, and the older `POST /api/embeddings` for one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway.cutting import cut
from api.gateway.exchange import Exchange
from api.gateway.ollama.clock import nanoseconds
from api.gateway.ollama.errors import SHAPE
from api.gateway.ollama.loading import Loader
from api.gateway.ollama.request import model_of, seconds_of, spec_of
from api.gateway.outlook import Wanted
from api.gateway.proxy import Proxy
from api.gateway.reading import read_object, want
from api.gateway.seats import Seats
from api.gateway.vectors import Vector, formed, shortened
from shared.errors import ContextExceeded, InvalidParameters
from shared.requests import EMBEDDING
from shared.vocabulary import Capability

router = APIRouter(tags=["ollama"])
shapes.register(SHAPE, "/api/")

#: Letters that every context holds.
_SHORT = 256


@router.post("/api/embed", response_class=Response)
async def embed(request: Request, caller: Submitter) -> Response:
    """Vectors for one text or several; none for none, with the model loaded.

    Texts are cut to the context of the run; with `truncate` false those that are longer are refused.
    """
    asked = await read_object(request)
    texts = _texts(asked)
    exchange = _exchange(asked, {"input": texts}, _Embedded(asked))
    if not texts:
        return await Loader(request).carry(exchange, {"embeddings": []})
    if want(asked, "truncate", bool) is not False:
        exchange = replace(exchange, prepared=partial(_cut, request, texts))
    return await _carry(request, exchange)


@router.post("/api/embeddings", response_class=Response)
async def embeddings(request: Request, caller: Submitter) -> Response:
    """The vector of `prompt`; none for none, with the model loaded."""
    asked = await read_object(request)
    prompt = want(asked, "prompt", str) or ""
    exchange = _exchange(asked, {"input": prompt}, lambda said: {"embedding": _vectors(said)[0]})
    if not prompt:
        return await Loader(request).carry(exchange, {"embedding": []})
    return await _carry(request, exchange)


async def _carry(request: Request, exchange: Exchange) -> Response:
    """Raises ContextExceeded in the words that Ollama's clients know, and as the proxy does."""
    proxy: Proxy = request.app.state.proxy
    try:
        return await proxy.carry(request, exchange)
    except ContextExceeded as error:
        error.problem = error.problem.model_copy(update={"what": "the input length exceeds the context length"})
        raise


async def _cut(request: Request, texts: Sequence[str], exchange: Exchange) -> Exchange:
    """The exchange with its texts cut to the runs; where there is none yet and a text is long, one is loaded first."""
    seats: Seats = request.app.state.seats
    wanted = Wanted(exchange.model, exchange.capability)
    view = await seats.view(wanted)
    if not any(run.ready for run in view.runs) and max(map(len, texts)) > _SHORT:
        await Loader(request).load(replace(exchange, keep_alive=None))
        view = await seats.view(wanted)
    texts_or_ids = await cut(view.runs, texts, exchange.spec.context)
    return replace(exchange, body=exchange.body | {"input": texts_or_ids})


def _exchange(asked: Mapping[str, Any], body: dict[str, Any], whole: Any) -> Exchange:
    return Exchange(
        model_of(asked),
        Capability.EMBED,
        EMBEDDING,
        body | {"encoding_format": "float"},
        whole,
        spec=spec_of(asked),
        keep_alive=seconds_of(asked.get("keep_alive")),
    )


class _Embedded:
    """The engine's vectors as Ollama's answer, with how long it took from here on."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._model = model_of(asked)
        self._most = max(want(asked, "dimensions", int) or 0, 0)
        self._began = time.monotonic()

    def __call__(self, said: Mapping[str, Any]) -> dict[str, Any]:
        usage = said.get("usage") or {}
        return {
            "model": self._model,
            "embeddings": [formed(vector, self._shortened if self._most else None) for vector in _vectors(said)],
            "total_duration": nanoseconds(time.monotonic() - self._began),
            "load_duration": 0,
            "prompt_eval_count": usage.get("prompt_tokens") or usage.get("total_tokens") or 0,
        }

    def _shortened(self, vector: Sequence[float]) -> Sequence[float]:
        """As many numbers as are wanted; all of them where that is more than there are, as Ollama does."""
        return shortened(vector, min(self._most, len(vector)))


def _texts(asked: Mapping[str, Any]) -> list[str]:
    given = asked.get("input")
    texts = [given] if isinstance(given, str) else [] if given is None else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidParameters(
            "input is wrong", "it is what to embed", "give a text or a list of texts", field="input"
        )
    return [text for text in texts if text] if isinstance(given, str) else texts


def _vectors(said: Mapping[str, Any]) -> list[Vector | Sequence[float]]:
    """In the order of the texts."""
    data = sorted(said.get("data") or (), key=lambda item: item.get("index") or 0)
    return [item["embedding"] for item in data]
