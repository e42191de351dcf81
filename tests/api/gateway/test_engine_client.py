"""Engines end their answers in three ways, close connections as they like, and must notice at once when we leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from api.gateway.engine_client import EngineClient

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def engine(answers: Serve) -> AsyncIterator[str]:
    under_way: set[asyncio.Task[None] | None] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError):
            await answers(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
        for task in under_way:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in under_way if task is not None), return_exceptions=True)


async def heard(reader: asyncio.StreamReader) -> bytes:
    """A request of one byte."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(1)


async def asked(client: EngineClient, url: str) -> bytes:
    async with client.post(url, b"x", {}) as reply:
        return await reply.read()


@pytest.mark.parametrize(
    "said",
    [
        _OK + b"Content-Length: 5\r\n\r\nhello",
        _OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
    ],
)
def test_an_answer_is_read_to_its_end(said: bytes) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(said)
        writer.close()

    async def scene() -> bytes:
        async with engine(answers) as url:
            return await asked(EngineClient(), url)

    assert asyncio.run(scene()) == b"hello"


def test_a_connection_is_kept_and_one_that_went_stale_is_replaced() -> None:
    connections = 0

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            await heard(reader)
            writer.write(_OK + b"Content-Length: 2\r\n\r\nok")
        await heard(reader)
        writer.close()

    async def scene() -> None:
        client = EngineClient()
        async with engine(answers) as url:
            assert [await asked(client, url) for _ in range(2)] == [b"ok", b"ok"]
            assert connections == 1
            assert await asked(client, url) == b"ok"
            assert connections == 2
        client.close()

    asyncio.run(scene())


@pytest.mark.parametrize("said", [b"", b"SSH-2.0\r\n\r\n", _OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n"])
def test_an_answer_that_breaks_off_is_an_error(said: bytes) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(said)
        writer.close()

    async def scene() -> None:
        async with engine(answers) as url:
            with pytest.raises(ConnectionError):
                await asked(EngineClient(), url)

    asyncio.run(scene())


def test_leaving_in_the_middle_ends_the_connection() -> None:
    async def scene() -> bytes:
        left: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await heard(reader)
            writer.write(_OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n")
            try:
                left.set_result(await reader.read())
            except ConnectionError:
                left.set_result(b"")
            writer.close()

        async with engine(answers) as url:
            async with EngineClient().post(url, b"x", {}) as reply:
                assert await anext(reply.pieces()) == b"he"
            return await asyncio.wait_for(left, 1)

    assert asyncio.run(scene()) == b""
