"""One request on its way from the front door to an engine, and the answer on its way back, piece by piece."""

from __future__ import annotations

import select
import socket
from http.server import BaseHTTPRequestHandler

from shared.units import MIB
from workers.agent.engine_line import Address, EngineLine, EngineLines

_PIECE = 64 * 1024
#: The largest request that is held, to be sent again when a kept connection turns out to be closed.
_HELD = 1 * MIB
#: Seconds of silence after which an engine counts as stuck.
_SILENCE = 600.0
_PASSED_ON = ("Content-Type", "Accept", "Accept-Encoding")


class NoAnswer(Exception):
    """The engine said nothing at all."""


def carry(asked: BaseHTTPRequestHandler, lines: EngineLines, address: Address, path: str, length: int) -> bool:
    """Whether all of the answer went through, and says that another request may follow on both connections.

    When one side is gone the other is closed at once. Raises NoAnswer while nothing went back, and OSError after that.
    """
    asked.connection.settimeout(_SILENCE)
    try:
        line, said = _begun(asked, lines, address, path, length)
    except OSError as error:
        raise NoAnswer(str(error)) from error
    try:
        if said == b"":
            raise NoAnswer("it closed the connection")
        while said:
            asked.connection.sendall(said)
            said = b"" if line.answered else _next(line, asked.connection)
        return line.reusable
    finally:
        lines.keep(line)


def _begun(
    asked: BaseHTTPRequestHandler, lines: EngineLines, address: Address, path: str, length: int
) -> tuple[EngineLine, bytes | None]:
    """The connection on which the engine has heard it all, and the first that it says."""
    request = _head(asked, path, length)
    if length <= _HELD:
        request += _body(asked, length)
        if (kept := lines.take(address)) is not None:
            try:
                return kept, _answer(kept, request, asked.connection)
            except BrokenPipeError:
                # The engine has closed it just as it was used: nothing was done, so it is asked again.
                kept.close()
            except BaseException:
                kept.close()
                raise
    line = EngineLine(address, _SILENCE)
    try:
        line.send(request)
        if length > _HELD:
            _pour(asked, line, length)
        return line, _next(line, asked.connection)
    except BaseException:
        line.close()
        raise


def _answer(line: EngineLine, request: bytes, client: socket.socket) -> bytes | None:
    """As `_next`. Raises BrokenPipeError when the engine had closed the connection, and TimeoutError."""
    try:
        line.send(request)
        said = _next(line, client)
    except ConnectionError as error:
        raise BrokenPipeError(str(error)) from error
    if said == b"":
        raise BrokenPipeError("the engine had closed it")
    return said


def _head(asked: BaseHTTPRequestHandler, path: str, length: int) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
    lines += [f"{name}: {asked.headers[name]}" for name in _PASSED_ON if asked.headers[name]]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _body(asked: BaseHTTPRequestHandler, length: int) -> bytes:
    body = asked.rfile.read(length)
    if len(body) < length:
        raise _left()
    return body


def _pour(asked: BaseHTTPRequestHandler, line: EngineLine, length: int) -> None:
    while length:
        piece = asked.rfile.read1(min(length, _PIECE))
        if not piece:
            raise _left()
        line.send(piece)
        length -= len(piece)


def _left() -> OSError:
    return ConnectionResetError("the front door went away before it had asked")


def _next(line: EngineLine, client: socket.socket) -> bytes | None:
    """What the engine says next, empty when it has no more to say; `None` when nobody is there to hear it.

    Raises TimeoutError when it says nothing for too long.
    """
    poll = select.poll()
    poll.register(line.socket, select.POLLIN)
    poll.register(client, select.POLLIN)
    ready = [number for number, _ in poll.poll(_SILENCE * 1000)]
    if client.fileno() in ready:
        # Whoever waits for an answer says nothing until it is there: this is the end of the connection.
        return None
    if not ready:
        raise TimeoutError(f"the engine said nothing for {_SILENCE:.0f} seconds")
    return line.hear(_PIECE)
