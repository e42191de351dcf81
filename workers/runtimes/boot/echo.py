"""The echo engine: OpenAI's endpoints without a model, as fast, slow or broken as its script says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from workers.runtimes.boot.asgi import Receive, Scope, Send, read_json, send_error, send_json, serve
from workers.runtimes.boot.echo_reply import Embedding, Generation
from workers.runtimes.boot.echo_script import EchoModel, Failures, Script
from workers.runtimes.boot.echo_text import answer, chat_prompt, completion_prompt, embedding_inputs
from workers.runtimes.boot.guard import die_with_parent
from workers.runtimes.boot.openai import Reply, Tokens, model_list


class Echo:
    """The ASGI application."""

    def __init__(self, name: str, slots: int, script: Script, model: EchoModel) -> None:
        self._name = name
        self._script = script
        self._model = model
        self._slots = asyncio.Semaphore(slots)
        self._failures = Failures()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if not self._model.loaded:
            await send_error(send, 503, "the model is loading", "unavailable_error")
        elif path == "/health":
            await send_json(send, {"status": "ok"})
        elif path == "/v1/models":
            await send_json(send, model_list(self._name))
        elif path.startswith("/v1/audio/"):
            await self._transcribe(scope, receive, send)
        elif path in _ANSWERS:
            await self._post(path, receive, send)
        else:
            await send_error(send, 404, f"echo has no {path}", "not_found_error")

    async def _post(self, path: str, receive: Receive, send: Send) -> None:
        try:
            body = await read_json(receive)
            if not isinstance(body, dict):
                raise ValueError("the body must be an object")
            task = _ANSWERS[path](self, body)
        except (ValueError, TypeError, AttributeError) as error:
            await send_error(send, 400, f"The request cannot be read: {error}")
            return
        async with self._slots:
            self._model.grow()
            await task.run(receive, send)

    def generation(self, body: dict[str, Any], *, chat: bool) -> Generation:
        """Raises ValueError for what is wrong with the body."""
        prompt, prompt_tokens = chat_prompt(body) if chat else completion_prompt(body)
        script = self._script_of(body)
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        words, finish = answer(prompt, script.tokens, limit)
        return Generation(
            script,
            Reply(body.get("model") or self._name, chat=chat),
            words,
            finish,
            Tokens(prompt_tokens, len(words)),
            failure=self._failures.due(script, prompt),
            stream=bool(body.get("stream")),
            count=bool((body.get("stream_options") or {}).get("include_usage")),
        )

    def embedding(self, body: dict[str, Any]) -> Embedding:
        form = body.get("encoding_format") or "float"
        return Embedding(self._name, embedding_inputs(body), form, self._script_of(body))

    def _script_of(self, body: dict[str, Any]) -> Script:
        wishes = body.get("echo")
        return self._script.altered(wishes) if wishes else self._script

    async def _transcribe(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Imported by the first that asks: it needs a form parser and the transcript shapes.
        from workers.runtimes.boot.echo_ears import EchoEars
        from workers.runtimes.boot.transcription import PATHS, transcribe

        if scope["path"] in PATHS:
            await transcribe(EchoEars(self._script), self._slots, scope, receive, send)
        else:
            await send_error(send, 404, f"echo has no {scope['path']}", "not_found_error")


_ANSWERS: dict[str, Callable[[Echo, dict[str, Any]], Generation | Embedding]] = {
    "/v1/chat/completions": lambda echo, body: echo.generation(body, chat=True),
    "/v1/completions": lambda echo, body: echo.generation(body, chat=False),
    "/v1/embeddings": lambda echo, body: echo.embedding(body),
}


def main() -> None:
    options = json.loads(sys.argv[1])
    die_with_parent()
    model = EchoModel(options["load_seconds"], options["memory"], options["fail_load"], options["growth"])
    app = Echo(options["name"], options["slots"], Script(**options["script"]), model)
    serve(app, options["port"], model.load)


if __name__ == "__main__":
    main()
