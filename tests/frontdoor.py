"""A front door at the wire: answers the worker protocol as told, and remembers what it heard."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


class WireFrontDoor:
    """`heard` holds (path, body) of every request; `answers` maps a path to what is said."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Answer] = {
            "/finish": lambda body: (200, {"verdicts": ["accepted"] * len(body["attempts"])}),
            "/items": lambda _: (200, {"accepted": True}),
            "/runs/report": lambda _: (200, {"accepted": True}),
        }
        self.away = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for heard, body in self.heard if heard == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                path = self.path.removeprefix("/worker/v1")
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if door.away:
                    self._say(503, {"error": {"code": "unavailable", "what": "The database is away"}})
                    return
                door.heard.append((path, body))
                self._say(*door.answers[path](body))

            def _say(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Tests speak for themselves."""

        return Handler


@contextmanager
def wire_front_door() -> Iterator[WireFrontDoor]:
    door = WireFrontDoor()
    try:
        yield door
    finally:
        door.close()
