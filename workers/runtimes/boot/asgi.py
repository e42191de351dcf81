"""The little of ASGI that our engines need: one port on loopback, JSON, server-sent events, clients that leave."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
_BACKLOG = 2048
_DONE = b"data: [DONE]\n\n"


def serve(app: App, port: int, load: Callable[[], None]) -> None:
    """Serve `app` on 127.0.0.1 until SIGTERM. `load` runs beside it; if it raises, the process ends with code 1.

    Raises OSError when the port is taken, before anything is loaded.
    """
    listener = bound(port)
    listener.listen(_BACKLOG)
    threading.Thread(target=_load_or_die, args=(load,), daemon=True).start()
    serve_on(app, listener)


def serve_on(app: App, listener: socket.socket) -> None:
    """Serve `app` on a bound socket until SIGTERM."""
    server(app).run(sockets=[listener])


def server(app: App) -> uvicorn.Server:
    """What serves `app`."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=2,
        server_header=False,
        date_header=False,
        backlog=_BACKLOG,
    )
    return uvicorn.Server(config)


def bound(port: int) -> socket.socket:
    """The port taken, while nobody is answered there yet. Raises OSError."""
    # The protocol is named because asyncio turns Nagle's algorithm off only then; with it on, a reply takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _load_or_die(load: Callable[[], None]) -> None:
    try:
        load()
    except BaseException:  # the process must not live on without its model
        traceback.print_exc()
        os._exit(1)


async def read_json(receive: Receive) -> Any:
    """The request's body as JSON. Raises ValueError."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return json.loads(body)


async def send_json(send: Send, payload: Any, status: int = 200) -> None:
    await send_bytes(send, json.dumps(payload, separators=(",", ":")).encode(), _JSON, status)


async def send_error(send: Send, status: int, message: str, kind: str = "invalid_request_error") -> None:
    """An error in OpenAI's shape."""
    await send_json(send, {"error": {"message": message, "type": kind, "param": None, "code": status}}, status)


async def send_bytes(send: Send, body: bytes, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class EventStream:
    """A reply of server-sent events; `[DONE]` is the last."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def open(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": _EVENTS})

    async def event(self, payload: Any) -> None:
        data = json.dumps(payload, separators=(",", ":")).encode()
        await self._send({"type": "http.response.body", "body": b"data: %b\n\n" % data, "more_body": True})

    async def close(self) -> None:
        await self._send({"type": "http.response.body", "body": _DONE})


async def client_left(receive: Receive, seconds: float | None) -> bool:
    """Wait `seconds` (`None`: for ever); `True` as soon as the client has gone away. Call it after the body is read."""
    if seconds is not None and seconds <= 0:
        return False
    try:
        await asyncio.wait_for(receive(), seconds)
    except TimeoutError:
        return False
    return True
