"""Clients of the front of llama.cpp, without a server between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.requests import WORK
from tests.workers.runtimes.scripted_llama import STEP, ScriptedLlama, words
from workers.runtimes.boot.asgi import Message
from workers.runtimes.boot.inner_engine import InnerEngine
from workers.runtimes.boot.llama_front import LlamaFront

_CONTEXT = 4096
LONG = words(100)


@dataclass
class Client:
    """One request and what became of it, as an ASGI server would carry them."""

    front: LlamaFront
    path: str
    body: Any
    work: str = "person"
    method: str = "POST"
    status: int | None = None
    media_type: str = ""
    said: bytes = b""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: bool = False

    async def ask(self) -> Client:
        headers = [(b"content-type", b"application/json"), (WORK.lower().encode(), self.work.encode())]
        scope = {"type": "http", "method": self.method, "path": self.path, "raw_path": self.path.encode()}
        await self.front({**scope, "query_string": b"", "headers": headers}, self._receive, self._send)
        return self

    @property
    def json(self) -> Any:
        return json.loads(self.said)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line[6:]) for line in self.said.splitlines() if line.startswith(b"data: {")]

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            content = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
            return {"type": "http.request", "body": content, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.media_type = message["status"], dict(message["headers"])[b"content-type"].decode()
        else:
            self.said += message["body"]


def front(
    engine: ScriptedLlama, slots: int = 2, step: int = STEP, context: int = _CONTEXT, *, sees: bool = False
) -> LlamaFront:
    return LlamaFront(InnerEngine(engine.port), slots, context, step, sees=sees)


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def run(client: Client) -> Client:
    return asyncio.run(client.ask())


@asynccontextmanager
async def asking(client: Client) -> AsyncIterator[asyncio.Task[Client]]:
    task = asyncio.create_task(client.ask())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
