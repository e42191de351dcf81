"""Carrying requests to engines, and their answers back as they come."""

from __future__ import annotations

from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response

from api.gateway import vectors
from api.gateway.asking import Asking
from api.gateway.charge import charged
from api.gateway.exchange import Exchange
from api.gateway.fresh_writer import FreshWriter
from api.gateway.hearing import NONSENSE, misread
from api.gateway.remote_parts import check_parts
from api.gateway.seats import Seats
from api.gateway.telling import Telling
from api.leaving import ClientGone, while_connected
from api.sse import LiveResponse


class Proxy:
    """Answers exchanges, whole or as they come."""

    def __init__(self, seats: Seats) -> None:
        self._asking = Asking(seats)

    def stop(self) -> None:
        """Answer what is under way with Unavailable, as far as nothing else was told."""
        self._asking.stop()

    async def close(self) -> None:
        self._asking.close()

    async def carry(self, request: Request, exchange: Exchange) -> Response:
        """Ask and answer at the caller's expense; the engine stops when the client goes away.

        Raises CidermillError before anything is sent.
        """
        check_parts(exchange.body)
        return await charged(request, exchange, self._carried)

    async def _carried(self, request: Request, exchange: Exchange) -> Response:
        try:
            if exchange.writer is None:
                return await while_connected(request.receive, self._whole(exchange))
            if exchange.gathered:
                return await while_connected(request.receive, self._gathered(exchange, FreshWriter(exchange.writer)))
            return await self._streamed(request, exchange, FreshWriter(exchange.writer))
        except ClientGone:
            return Response(status_code=499)

    async def _whole(self, exchange: Exchange) -> Response:
        if exchange.prepared is not None:
            exchange = await exchange.prepared(exchange)
        answer = await self._asking.whole(exchange)
        try:
            said = exchange.whole(answer)
            content = said if isinstance(said, bytes) else await vectors.written(said)
        except NONSENSE as error:
            raise misread(error) from error
        return Response(content, media_type=exchange.media_type)

    async def _gathered(self, exchange: Exchange, writer: FreshWriter) -> Response:
        async with aclosing(self._asking.stream(exchange, writer)) as pieces:
            content = b"".join([piece async for piece in pieces])
        return Response(content, media_type=writer.media_type)

    async def _streamed(self, request: Request, exchange: Exchange, writer: FreshWriter) -> Response:
        telling = Telling(self._asking.stream(exchange, writer), writer)
        try:
            await while_connected(request.receive, telling.begin())
        except BaseException:
            await telling.aclose()
            raise
        return LiveResponse(telling, writer.media_type)
