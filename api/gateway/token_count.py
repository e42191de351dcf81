"""How many tokens a chat has: as a ready run says, else as can be told here; no run is ever started for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool

from api.deps import FrontDoor
from api.gateway import local_tokens
from api.gateway.defaults import filled
from api.gateway.engine_client import EngineClient
from api.gateway.outlook import View, Wanted
from api.gateway.routing import Candidate
from api.gateway.seats import Seats, pass_of
from api.gateway.turns import Turns
from shared.grants import check_model
from shared.keys import Caller
from shared.tables import Install, Model
from shared.vocabulary import Capability, Format

#: llama.cpp's, with the chat as it would be answered.
PATH = "/v1/chat/completions/input_tokens"
#: Seconds for an engine to say it: counting waits for no slot.
_PATIENCE = 2.0
#: How many are counted here at a time, and seconds to wait for that.
_TURNS, _TURN_PATIENCE = 2, 1.0
_TOKENIZER = "tokenizer.json"
_CARRY_ONE = (Format.SAFETENSORS, Format.GGUF)

Source = Literal["engine", "tokenizer", "estimate"]


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens, and who says so."""

    tokens: int
    source: Source


class TokenCounter:
    """Counts for one front door."""

    def __init__(self, door: FrontDoor, seats: Seats) -> None:
        self._door, self._seats = door, seats
        self._engines = EngineClient()
        self._turns = Turns(_TURNS, _TURN_PATIENCE)
        #: Where on this machine the tokenizers of models are, by the model's id.
        self._tokenizers: dict[str, Path] = {}
        #: Runs whose engine does not count.
        self._silent: set[str] = set()

    def close(self) -> None:
        self._engines.close()

    async def count(self, caller: Caller, model: str, body: Mapping[str, Any]) -> Count:
        """Tokens of a chat, an engine's request: one of what the caller may ask at the same time, else at no expense.

        Raises NotFound, InvalidParameters, QuotaExceeded, and Forbidden for a model that the caller may not use.
        """
        view = await self._seats.view(Wanted(model, Capability.GENERATE))
        check_model(caller, view.found.model.name, model)
        ticket = await self._door.meter.desk.seat(caller)
        try:
            return await self._there(view, body)
        finally:
            ticket.leave(0)

    async def here(self, model: str, body: Mapping[str, Any]) -> Count:
        """The same without asking any engine. Raises NotFound, InvalidParameters."""
        return await self._here(await self._seats.view(Wanted(model, Capability.GENERATE)), body)

    async def _there(self, view: View, body: Mapping[str, Any]) -> Count:
        """By a ready run, else here."""
        for run in view.runs:
            if run.ready and run.id not in self._silent and (tokens := await self._ask(run, view, body)) is not None:
                return Count(tokens, "engine")
        return await self._here(view, body)

    async def _ask(self, run: Candidate, view: View, body: Mapping[str, Any]) -> int | None:
        assert run.endpoint is not None
        if run.reach is None:
            return None
        headers = {"Content-Type": "application/json", **pass_of(run.reach, run.id, run.generation)}
        asked = filled(dict(body), view.found.defaults) | {"model": run.endpoint.served_name}
        try:
            async with (
                asyncio.timeout(_PATIENCE),
                self._engines.post(run.reach.url + PATH, json.dumps(asked).encode(), headers) as reply,
            ):
                said = await reply.read()
        except OSError:
            return None
        if reply.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED):
            self._silent.add(run.id)
        return _tokens(said) if reply.status == HTTPStatus.OK else None

    async def _here(self, view: View, body: Mapping[str, Any]) -> Count:
        body = filled(dict(body), view.found.defaults)
        model = view.found.model
        if model.format in _CARRY_ONE:
            # One that is not here yet may be tomorrow.
            path = self._tokenizers.get(model.id) or await run_in_threadpool(self._find, model)
            if path is not None:
                self._tokenizers[model.id] = path
                tokens = await self._turns.run(partial(local_tokens.count, body, path))
                if tokens is not None:
                    return Count(tokens, "tokenizer")
        return Count(local_tokens.estimate(body), "estimate")

    def _find(self, model: Model) -> Path | None:
        with self._door.read() as session:
            install = session.get(Install, (model.id, self._door.settings.host_name))
        if install is None:
            return None
        path = Path(install.path) if model.format == Format.GGUF else Path(install.path) / _TOKENIZER
        return path if path.is_file() else None


def _tokens(said: bytes) -> int | None:
    try:
        tokens = json.loads(said).get("input_tokens")
    except (ValueError, AttributeError):
        return None
    return tokens if isinstance(tokens, int) else None
