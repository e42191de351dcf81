"""The Whisper server: one speech model, loaded by the engine its format belongs to."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from workers.runtimes.boot.asgi import Receive, Scope, Send, send_error, send_json, serve
from workers.runtimes.boot.guard import die_with_parent
from workers.runtimes.boot.openai import model_list
from workers.runtimes.boot.transcription import PATHS, Ears, transcribe


class Whisper:
    """The ASGI application."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._slots = asyncio.Semaphore(options["slots"])
        self._ears: Ears | None = None

    def load(self) -> None:
        """Blocks while the weights are read. Raises what the engine raises."""
        self._ears = _ears(self._options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self._ears is None:
            await send_error(send, 503, "the model is loading", "unavailable_error")
        elif path == "/health":
            await send_json(send, {"status": "ok"})
        elif path == "/v1/models":
            await send_json(send, model_list(self._options["name"]))
        elif path in PATHS:
            await transcribe(self._ears, self._slots, scope, receive, send)
        else:
            await send_error(send, 404, f"whisper has no {path}", "not_found_error")


def _ears(options: dict[str, Any]) -> Ears:
    if Path(options["model"], "model.bin").exists():
        from workers.runtimes.boot.whisper_ctranslate2 import FasterWhisper

        return FasterWhisper(options)
    from workers.runtimes.boot.whisper_mlx import MlxWhisper

    return MlxWhisper(options)


def main() -> None:
    options = json.loads(sys.argv[1])
    die_with_parent()
    app = Whisper(options)
    serve(app, options["port"], app.load)


if __name__ == "__main__":
    main()
