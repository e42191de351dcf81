"""Answers of the echo engine on their way to a client, at the pace and with the failures of their script."""

from __future__ import annotations

import asyncio
from typing import Any

from workers.runtimes.boot.asgi import EventStream, Receive, Send, client_left, send_error, send_json
from workers.runtimes.boot.echo_script import Script, crash, die_of_memory
from workers.runtimes.boot.echo_text import pieces, vector
from workers.runtimes.boot.openai import Reply, Tokens, embeddings


class Generation:
    """One chat or completion answer on its way."""

    def __init__(
        self,
        script: Script,
        reply: Reply,
        words: list[str],
        finish: str,
        tokens: Tokens,
        *,
        failure: str | None,
        stream: bool,
        count: bool,
    ) -> None:
        self._script = script
        self._reply = reply
        self._words = words
        self._finish = finish
        self._tokens = tokens
        self._failure = failure
        self._streamed = stream
        self._counted = count

    async def run(self, receive: Receive, send: Send) -> None:
        if self._streamed and not (self._failure and self._script.fail_after == 0):
            await self._stream(receive, send)
        elif self._failure:
            await self._fail(receive, send)
        elif not await client_left(receive, self._script.seconds(len(self._words))):
            await send_json(send, self._reply.whole(" ".join(self._words), self._finish, self._tokens))

    async def _stream(self, receive: Receive, send: Send) -> None:
        stream = EventStream(send)
        begin = asyncio.get_running_loop().time()
        await stream.open()
        await stream.event(self._reply.opening())
        for index, piece in enumerate(pieces(self._words)):
            if self._failure and index == self._script.fail_after:
                await self._break(stream, receive)
                return
            # Against the clock, so that small delays do not add up.
            due = begin + self._script.seconds(index + 1)
            if await client_left(receive, due - asyncio.get_running_loop().time()):
                return
            await stream.event(self._reply.piece(piece))
        await stream.event(self._reply.closing(self._finish))
        if self._counted:
            await stream.event(self._reply.counted(self._tokens))
        await stream.close()

    async def _break(self, stream: EventStream, receive: Receive) -> None:
        """Fail in the middle of a stream."""
        if self._failure == "error":
            await stream.event({"error": {"message": "echo fails as told", "type": "server_error", "code": 500}})
            await stream.close()
        else:
            await _go_wrong(self._failure, receive)

    async def _fail(self, receive: Receive, send: Send) -> None:
        if await client_left(receive, self._script.latency_ms / 1000):
            return
        if self._failure == "error":
            await send_error(send, self._script.status, "echo fails as told", "server_error")
        else:
            await _go_wrong(self._failure, receive)


async def _go_wrong(how: str | None, receive: Receive) -> None:
    if how == "crash":
        crash()
    if how == "oom":
        die_of_memory()
    await client_left(receive, None)


class Embedding:
    """Vectors on their way."""

    def __init__(self, name: str, inputs: list[Any], form: str, script: Script) -> None:
        self._script = script
        tokens = sum(len(item.split()) if isinstance(item, str) else len(item) for item in inputs)
        self._payload = embeddings(name, [vector(item, form) for item in inputs], tokens)

    async def run(self, receive: Receive, send: Send) -> None:
        if not await client_left(receive, self._script.latency_ms / 1000):
            await send_json(send, self._payload)
