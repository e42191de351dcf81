"""Asking a run, and while nothing was told once more another: in place of one that went away, or that is too small."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.gateway import vectors
from api.gateway.defaults import filled
from api.gateway.engine_client import EngineClient, EngineReply
from api.gateway.exchange import Exchange, Writer
from api.gateway.fresh_writer import FreshWriter
from api.gateway.hearing import NONSENSE, assembled, heard, misread
from api.gateway.names import Names
from api.gateway.refusal import Lost, refusal, refused_by_agent, went_away
from api.gateway.seats import Seat, Seats
from api.gateway.thought_start import ThoughtStarts
from api.gateway.tries import Tries
from api.gateway.upload import Form
from shared.engine_pass import REFUSED
from shared.errors import CannotFit, ContextExceeded, Unavailable
from shared.requests import ASK_PROGRESS, CHAT, EMBEDDING


class Asking:
    """Exchanges with engines; one HTTP client for all of them."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        self._engines = EngineClient()
        seats.on_over(self._engines.give_up)
        self._starts = ThoughtStarts(self._engines)

    def stop(self) -> None:
        """Who waits for an answer gets Unavailable instead, and so does who asks from now on."""
        self._seats.stop()
        self._engines.break_off()

    def close(self) -> None:
        self._engines.close()

    async def whole(self, exchange: Exchange) -> dict[str, Any]:
        """The engine's answer, in which the model is called as the client did. Raises CidermillError."""
        tries = Tries(exchange)
        while True:
            seat = await self._seat(tries)
            try:
                async with self._asked(seat, exchange) as reply:
                    names = Names(seat.served_name, exchange.model)
                    if exchange.assembled:
                        return await assembled(reply, names, exchange)
                    content = await reply.read()
                    if exchange.path == EMBEDDING:
                        return vectors.read(content, names.restore)
                    said: dict[str, Any] = json.loads(names.restore(content))
                    return said
            except (Lost, ContextExceeded) as error:
                self._seats.check_stopped()
                tries.again(seat, error)

    async def stream(self, exchange: Exchange, writer: FreshWriter) -> AsyncGenerator[bytes, None]:
        """The answer as the client reads it, a piece for each that came. Raises CidermillError."""
        tries, told = Tries(exchange), False
        while True:
            seat = await self._seat(tries)
            try:
                async with (
                    self._asked(seat, exchange) as reply,
                    aclosing(_written(reply, Names(seat.served_name, exchange.model), exchange, writer)) as said,
                ):
                    async for piece in said:
                        told = True
                        yield piece
                return
            except (Lost, ContextExceeded) as error:
                self._seats.check_stopped()
                tries.again(seat, error, told=told)
                writer.anew()

    async def _seat(self, tries: Tries) -> Seat:
        try:
            async with aclosing(self._seats.find(tries.exchange, tries.lost)) as search:
                async for found in search:
                    if isinstance(found, Seat):
                        return found
        except CannotFit as error:
            raise tries.nowhere(error) from error
        except SQLAlchemyError as error:
            # The answer may have begun, with signs of life: then this is a part of it.
            why = str(error).splitlines()[0]
            raise Unavailable("The database does not answer", why, "ask again when it is back") from error
        raise Unavailable("No run was found", "the search for one ended", "ask again")

    @asynccontextmanager
    async def _asked(self, seat: Seat, exchange: Exchange) -> AsyncIterator[EngineReply]:
        """The engine's reply; leaving stops the engine. Raises what it refuses, Lost when it is not there, and
        EngineFailed when nobody can read what it says.
        """
        asked = _request(seat, exchange)
        media_type = asked.media_type if isinstance(asked, Form) else "application/json"
        headers, url = {"Content-Type": media_type, **seat.headers()}, seat.reach.url + exchange.path
        with self._seats.taken(seat) as stay:
            exchange.stayed(stay)
            try:
                async with self._engines.post(url, asked, headers, seat.run_id) as reply:
                    if REFUSED.lower() in reply.headers:
                        raise Lost(refused_by_agent(seat.run_id, reply.headers[REFUSED.lower()]))
                    if reply.status != HTTPStatus.OK:
                        raise refusal(reply.status, await reply.read(), reply.headers)
                    if exchange.path == CHAT:
                        exchange.beginning.inside = await self._starts.inside(seat, exchange.body)
                    yield reply
            except OSError as error:
                raise Lost(went_away(error)) from error
            except NONSENSE as error:
                raise misread(error) from error


def _request(seat: Seat, exchange: Exchange) -> bytes | Form:
    asked = filled(exchange.body, seat.defaults) | {"model": seat.served_name}
    if exchange.writer is not None or exchange.assembled:
        # How many tokens it took is asked for always: who pays attention to it is the writer's business.
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    if exchange.upload is not None:
        return Form(asked, exchange.upload)
    if asked.get("stream"):
        # llama.cpp reads long prompts in steps and says so after each: that is when it sees that nobody listens.
        asked |= {ASK_PROGRESS: True}
    return json.dumps(asked, ensure_ascii=False).encode(errors="replace")


async def _written(reply: EngineReply, names: Names, exchange: Exchange, writer: Writer) -> AsyncGenerator[bytes, None]:
    async with aclosing(heard(reply, names, exchange)) as chunks:
        async for payloads in chunks:
            if piece := writer.feed(payloads):
                yield piece
    yield writer.end()
