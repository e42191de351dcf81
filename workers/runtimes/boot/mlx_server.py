"""`mlx_lm.server` for one model: what its classes do that a run must not, corrected in subclasses.

A run serves the model it was started for and no other, is healthy only once that is loaded, ends when it cannot
generate any more, keeps prompts within its context, and stops when the client leaves.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any

import mlx.core as mx
from mlx.utils import tree_map
from mlx_lm.generate import stream_generate
from mlx_lm.models.cache import LRUPromptCache
from mlx_lm.server import APIHandler, ModelDescription, ModelProvider, ResponseGenerator

from workers.runtimes.boot.mlx_bodies import read_body
from workers.runtimes.boot.mlx_client import Line, gone
from workers.runtimes.boot.mlx_prompts import check_known, one_prompt
from workers.runtimes.boot.mlx_wiring import free_buffers
from workers.runtimes.boot.openai import model_list

_ONLY_MODEL = ("default_model", None, "default_model")


class OneModel(ModelProvider):  # type: ignore[misc]
    """Loads the model of the command line, whatever a request names; the original would download it."""

    warm = False
    #: Tokens that the model tells apart.
    vocabulary = 0

    def load(self, *_: Any) -> tuple[Any, Any]:
        model, tokenizer = super().load(*_ONLY_MODEL)
        if not self.warm:
            # The first token compiles kernels, which takes seconds; nobody should wait for that with a request.
            said = deque(stream_generate(model, tokenizer, tokenizer.encode("warm"), max_tokens=2), maxlen=1)
            self.vocabulary = said[0].logprobs.shape[-1]
            self.warm = True
        return model, tokenizer


class Kept(LRUPromptCache):  # type: ignore[misc]
    """Caches of finished requests, in the room that running ones leave.

    The original trims by what running requests hold when one arrives; they grow afterwards, and together they would
    take twice what was reserved. Here each of them counts with all it may come to hold.
    """

    def __init__(self, slots: int, room: int) -> None:
        super().__init__(slots, room)
        #: Bytes of one request's cache; there is room for one more than there are slots.
        self._each = room // (slots + 1)
        self._slots = slots
        self._room = room
        self._running = 0
        self._lock = threading.Lock()

    def fetch_nearest_cache(self, model: Any, tokens: list[int]) -> tuple[list[Any] | None, list[int]]:
        """Never all of it: who goes on with just what was said leaves mlx-lm no token to read, at which it dies."""
        cache, rest = super().fetch_nearest_cache(model, tokens)
        if rest:
            return cache, rest
        del cache
        cache, rest = super().fetch_nearest_cache(model, tokens[:-1])
        return cache, rest + tokens[-1:]

    def insert_cache(self, model: Any, tokens: list[int], prompt_cache: list[Any], **more: Any) -> None:
        """Keep it as a copy of its own: what mlx-lm cuts out of a batch is a view that keeps the whole batch alive.

        Room is made first, so that the copy never comes on top of what there is room for.
        """
        self.trim_to(n_bytes=self.max_bytes - sum(cache.nbytes for cache in prompt_cache))
        for cache in prompt_cache:
            cache.state = tree_map(_own, cache.state)
        mx.eval([cache.state for cache in prompt_cache])
        super().insert_cache(model, tokens, prompt_cache, **more)

    def begin(self) -> None:
        self._count(1)

    def end(self) -> None:
        """After the last request an idle run keeps no freed buffers: other runs have a use for them."""
        self._count(-1)
        if not self._running:
            free_buffers()

    def shrink(self) -> None:
        """Drop what there is no room for. Only the thread that generates may ask for it."""
        self.trim_to(n_bytes=self.max_bytes)

    def _count(self, change: int) -> None:
        with self._lock:
            self._running += change
            self.max_bytes = self._room - min(self._running, self._slots) * self._each


def _own(value: Any) -> Any:
    """Arrays that are part of a larger one become their own; anything else in a cache's state stays as it is."""
    return mx.contiguous(value) if isinstance(value, mx.array) else value


class Generator(ResponseGenerator):  # type: ignore[misc]
    """The thread that generates; the largest answer that the command line allows is the whole context."""

    def __init__(self, provider: OneModel, kept: Kept) -> None:
        super().__init__(provider, kept)
        # One step, then it looks who has come and who should stop; the original looks twice a second.
        self._time_budget = (None,)

    @property
    def is_healthy(self) -> bool:
        return bool(self.model_provider.warm and super().is_healthy)

    def _run_generate(self) -> None:
        try:
            self._generate()
        except BaseException:  # without this thread the process would live on and answer nothing
            traceback.print_exc()
            os._exit(1)

    def _next_request(self, timeout: float | None = None) -> Any:
        asked = super()._next_request(timeout)
        if asked is None:
            return None
        queue, request, args = asked
        if gone(args.client):
            queue.put(ConnectionAbortedError())
            return None
        return Line(queue, args.client), request, args

    def _serve_single(self, request: Any, stream: Any) -> None:
        request[0].alone = True
        super()._serve_single(request, stream)

    def _tokenize(self, tokenizer: Any, request: Any, args: Any) -> Any:
        """Raises ValueError for what the model cannot read or choose; the answer gets what the prompt leaves."""
        vocabulary = self.model_provider.vocabulary
        check_known(args.logits.logit_bias or (), vocabulary, "logit_bias")
        if args.sampling.top_k >= vocabulary:
            # None is left out then, at which mlx-lm dies.
            args.sampling.top_k = 0
        result = self._read(tokenizer, request, args)
        if not result[0]:
            raise ValueError("the prompt has no tokens, and the model adds none: give a text to go on with")
        context = self.cli_args.max_tokens
        room = context - len(result[0])
        if room < 1:
            raise ValueError(f"the prompt has {len(result[0])} tokens; the context has {context}")
        args.max_tokens = min(args.max_tokens, room)
        self.prompt_cache.shrink()
        return result

    def _read(self, tokenizer: Any, request: Any, args: Any) -> Any:
        """Token ids are taken as they are, in the form that the original gives to texts."""
        if not isinstance(request.prompt, list):
            return super()._tokenize(tokenizer, request, args)
        check_known(request.prompt, self.model_provider.vocabulary, "the prompt")
        return request.prompt, [request.prompt], ["assistant"], "normal", None


class _Attended:
    """A generator for one client: it stops when the client has gone."""

    def __init__(self, generator: Generator, client: socket.socket) -> None:
        self._generator = generator
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def generate(self, request: Any, args: Any, progress_callback: Callable[[int, int], None]) -> Any:
        # Requests share a batch only if they name the same model.
        args.model = ModelDescription(model=_ONLY_MODEL[0], draft=_ONLY_MODEL[2], adapter=None)
        args.client = self._client
        return self._generator.generate(request, args, progress_callback=progress_callback)


class Handler(APIHandler):  # type: ignore[misc]
    """One request, answered as OpenAI's clients expect it."""

    # Each token is a small write; Nagle's algorithm would hold it back for 40 ms.
    disable_nagle_algorithm = True
    model_name: str
    response_generator: Any
    rfile: Any

    def setup(self) -> None:
        super().setup()
        self._role_sent = False
        self._asked = False
        self.response_generator = _Attended(self.response_generator, self.connection)

    def do_POST(self) -> None:  # noqa: N802 - its name there
        """What would end the run is answered with 400, before the original reads a word of it."""
        length = self.headers.get("Content-Length") or ""
        if not length.isdecimal():
            super().do_POST()
            return
        try:
            body = json.dumps(read_body(self.rfile.read(int(length)))).encode()
        except ValueError as error:
            self._set_completion_headers(400)
            self.end_headers()
            self.wfile.write(json.dumps({"error": str(error)}).encode())
            return
        self.headers.replace_header("Content-Length", str(len(body)))
        # The only request of its connection, which the server closes by itself.
        self.rfile = io.BytesIO(body)
        super().do_POST()

    def handle_text_completions(self) -> Any:
        """Raises ValueError, which is answered with 400, for what is not one prompt."""
        request = super().handle_text_completions()
        request.prompt = one_prompt(request.prompt)
        return request

    def handle_completion(self, request: Any, stop_words: list[str]) -> None:
        self._asked = True
        kept: Kept = self.response_generator.prompt_cache
        kept.begin()
        try:
            super().handle_completion(request, stop_words)
        finally:
            kept.end()

    def generate_response(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The role comes with the first piece of a stream and never again."""
        response: dict[str, Any] = super().generate_response(*args, **kwargs)
        delta = response["choices"][0].get("delta")
        if delta is not None:
            if self._role_sent:
                delta.pop("role", None)
            self._role_sent = True
        return response

    def completion_usage_response(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        response: dict[str, Any] = super().completion_usage_response(*args, **kwargs)
        return response | {"object": self.object_type}

    def handle_models_request(self) -> None:
        self._set_completion_headers(200)
        self.end_headers()
        self.wfile.write(json.dumps(model_list(self.model_name)).encode())

    def _set_completion_headers(self, status_code: int = 200) -> None:
        # A request that cannot be generated from is wrong, not missing.
        super()._set_completion_headers(400 if self._asked and status_code == 404 else status_code)

    def log_request(self, *_: Any) -> None:
        """One line per request would drown what matters."""


class Server(ThreadingHTTPServer):
    """Takes as many clients at once as there may be, and hands each to a handler of the one generator."""

    request_queue_size = 512
    generator: Generator

    def finish_request(self, request: Any, client_address: Any) -> None:
        Handler(self.generator, request, client_address, self, system_fingerprint="mlx-lm")

    def handle_error(self, *_: Any) -> None:
        """A client that left is no error; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            traceback.print_exc()


def run(name: str, host: str, port: int, provider: OneModel) -> None:
    """In place of `mlx_lm.server.run`: the port is taken before the model is loaded. Raises OSError when it is not."""
    Handler.model_name = name
    kept = Kept(provider.cli_args.prompt_cache_size, provider.cli_args.prompt_cache_bytes)
    with Server((host, port), Handler) as server:
        server.generator = Generator(provider, kept)
        server.serve_forever()
