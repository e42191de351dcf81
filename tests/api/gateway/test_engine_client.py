"""Engines end their answers in three ways, close connections as they like, and must notice at once when we leave."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from api.gateway import engine_client
from api.gateway.engine_client import EngineClient
from api.gateway.upload import Form, Upload
from shared import idle_wires
from shared.units import MIB

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


def test_an_answer_without_a_length_that_is_torn_off_is_not_over() -> None:
    read = asyncio.Event()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhel")
        await writer.drain()
        await read.wait()
        # No farewell: the connection is reset.
        tearing = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, tearing)
        writer.transport.abort()

    async def scene() -> None:
        client = EngineClient()
        async with engine(answers) as url, client.post(url, b"x", {}) as reply:
            assert await anext(reply.pieces()) == b"hel"
            read.set()
            with pytest.raises(ConnectionError):
                await reply.read()

    asyncio.run(scene())


def test_what_broke_an_answer_first_is_told() -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(b"SSH-2.0\r\n\r\n")

    async def scene() -> None:
        client = EngineClient()
        async with engine(answers) as url:
            with pytest.raises(ConnectionError, match="does not speak HTTP"):
                await asked(client, url)

    asyncio.run(scene())


def test_an_engine_waits_for_a_reader_that_is_slower() -> None:
    size = 32 * MIB

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(_OK + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            writer.write(bytes(MIB))
            await writer.drain()

    async def scene() -> None:
        client = EngineClient()
        async with engine(answers) as url, client.post(url, b"x", {}) as reply, asyncio.timeout(60):
            while not reply._wire._paused:
                assert reply._wire._answer.waiting < size
                await asyncio.sleep(0)
            assert len(await reply.read()) == size

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
            return await asyncio.wait_for(left, 20)

    assert asyncio.run(scene()) == b""


@pytest.mark.parametrize("said", [b"", _OK + b"Content-Length: 5\r\n\r\nhe"])
def test_an_engine_that_says_nothing_more_is_given_up(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "_SILENCE", 0.05)

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(said)
        await reader.read()

    async def scene() -> None:
        async with engine(answers) as url, asyncio.timeout(20):
            with pytest.raises(TimeoutError):
                await asked(EngineClient(), url)

    asyncio.run(scene())


def test_an_engine_whose_run_is_over_is_heard_as_long_as_it_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "_SILENCE_OF_THE_LOST", 1000.0)
    go_on = asyncio.Event()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(_OK + b"Content-Length: 5\r\n\r\nhe")
        await go_on.wait()
        writer.write(b"ll")
        await reader.read()

    async def scene() -> None:
        client = EngineClient()
        async with engine(answers) as url, client.post(url, b"x", {}, "run-1") as reply:
            pieces = reply.pieces()
            assert await anext(pieces) == b"he"
            reply._wire._spoken -= 2000.0
            go_on.set()
            assert await anext(pieces) == b"ll"
            client.give_up({"run-1"})
            assert reply._wire._transport is not None
            assert not reply._wire._transport.is_closing()
            reply._wire._spoken -= 2000.0
            client.give_up({"run-1"})
            with pytest.raises(TimeoutError, match="its run is over"):
                await reply.read()

    asyncio.run(scene())


def test_an_address_where_nothing_answers_at_all_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "_CONNECT_SECONDS", 0.05)

    async def swallowed(*_: object) -> None:
        await asyncio.Event().wait()

    async def scene() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", swallowed)
        async with asyncio.timeout(20):
            with pytest.raises(TimeoutError):
                await asked(EngineClient(), "http://127.0.0.1:1/v1/chat/completions")

    asyncio.run(scene())


def form(size: int) -> Form:
    return Form({"stream": True, "times": ["word", "segment"]}, Upload(io.BytesIO(bytes(size)), size, "audio/wav"))


def test_a_form_is_sent_whole_as_fast_as_the_engine_takes_it() -> None:
    sent = form(5_000_000)

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {sent.size}".encode() in head
        body = await reader.readexactly(sent.size)
        assert (body.count(b'name="times"'), body.count(b"\r\n\r\ntrue\r\n")) == (2, 1)
        writer.write(_OK + b"Content-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.read()

    async def scene() -> bytes:
        client = EngineClient()
        async with engine(answers) as url, client.post(url, sent, {}) as reply:
            said = await reply.read()
            client.close()
            return said

    assert asyncio.run(scene()) == b"ok"


def test_an_engine_may_answer_before_it_has_heard_all_and_is_asked_anew_the_next_time() -> None:
    heard: list[bytes] = []

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
        await writer.drain()
        with suppress(ConnectionError):
            await reader.read()

    async def scene() -> list[tuple[int, bytes]]:
        client, said = EngineClient(), []
        async with engine(answers) as url:
            for _ in range(2):
                # More than the system's buffers between the two take.
                async with client.post(url, form(50_000_000), {}) as reply:
                    said.append((reply.status, await reply.read()))
            client.close()
        return said

    assert asyncio.run(scene()) == [(503, b"busy")] * 2
    assert len(heard) == 2


def test_an_engine_that_goes_away_while_it_is_told_is_noticed() -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def scene() -> None:
        async with engine(answers) as url, EngineClient().post(url, form(50_000_000), {}):
            raise AssertionError("nobody answered")

    with pytest.raises(OSError):
        asyncio.run(scene())


def test_no_more_idle_connections_are_kept_than_are_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_wires, "_MOST_PER_ENGINE", 1)
    closed = asyncio.Event()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(_OK + b"Content-Length: 2\r\n\r\nhi")
        if not await reader.read(1):
            closed.set()

    async def scene() -> None:
        client = EngineClient()
        async with engine(answers) as url:
            async with client.post(url, b"x", {}) as one, client.post(url, b"x", {}) as other:
                assert [await one.read(), await other.read()] == [b"hi", b"hi"]
            async with asyncio.timeout(20):
                await closed.wait()
            assert len(client._idle) == 1
        client.close()

    asyncio.run(scene())


@asynccontextmanager
async def gone_later(closed: asyncio.Event) -> AsyncIterator[str]:
    """An engine that answers, and tells when its connection is closed from the other side."""

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(_OK + b"Content-Length: 2\r\n\r\nhi")
        if not await reader.read(1):
            closed.set()

    async with engine(answers) as url:
        yield url


def test_a_connection_that_nobody_needs_any_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_wires, "_LONGEST", 0.05)

    async def scene() -> None:
        client, closed = EngineClient(), asyncio.Event()
        async with gone_later(closed) as url:
            await asked(client, url)
            async with asyncio.timeout(20):
                await closed.wait()
        assert len(client._idle) == 0

    asyncio.run(scene())


def test_of_too_many_idle_connections_the_one_that_waited_longest_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_wires, "_MOST", 1)

    async def scene() -> None:
        client, first, second = EngineClient(), asyncio.Event(), asyncio.Event()
        async with gone_later(first) as one, gone_later(second) as other:
            await asked(client, one)
            await asked(client, other)
            async with asyncio.timeout(20):
                await first.wait()
            assert (len(client._idle), second.is_set()) == (1, False)
            client.close()
            async with asyncio.timeout(20):
                await second.wait()

    asyncio.run(scene())
