"""An engine that reads prompts as llama.cpp does: each word is a token, and what a slot has read is not read again.

A picture is a token for each character of it, and stands in prompts as a marker.

It does what the test says: `holding` keeps what is asked until the test lets it go on, and `replies` are given in place
of its own.
"""

from __future__ import annotations

import json
import re
import select
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from typing import Any

TEMPLATE, TOKENS, PROPERTIES, CHUNK = "/apply-template", "/tokenize", "/props", "/completion"
COMPLETION, CHAT = "/v1/completions", "/v1/chat/completions"
STEP = 16
MARKER = "<picture-of-this-server>"
PACE = 2.0
#: What it says, and the one token of a chunk, which nobody shall see.
ANSWER, CHUNKS_TOKEN = ("I", "see"), "NOBODY"


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    path: str
    body: dict[str, Any]

    @property
    def is_chunk(self) -> bool:
        return self.path == CHUNK


@dataclass(frozen=True)
class Reply:
    """What it says in place of an answer; `None` breaks the connection."""

    status: int | None = 200
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Replies = Callable[[Asked], Reply | None]


class ScriptedLlama(ThreadingHTTPServer):
    """Answers all with `ANSWER`."""

    daemon_threads = True

    def __init__(self, slots: int = 2, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.port = int(self.server_address[1])
        self.asked: list[Asked] = []
        self.replies: Replies = lambda _: None
        self.holding: Callable[[Asked], bool] = lambda _: False
        #: What is held, and how many were left by their asker in that time.
        self.held: list[Asked] = []
        self.left = 0
        #: Milliseconds that it reads a token for.
        self.pace = PACE
        #: It forgets what it has read with each thing that it is asked.
        self.forgets = False
        self._let_go = threading.Semaphore(0)
        self._words: dict[str, int] = {}
        self._caches: list[list[int]] = [[] for _ in range(slots)]
        self._lock = threading.Lock()

    @property
    def chunks(self) -> list[Asked]:
        return [one for one in list(self.asked) if one.is_chunk]

    @property
    def answered(self) -> list[Asked]:
        """What was asked for an answer."""
        return [one for one in list(self.asked) if one.path in (CHAT, COMPLETION) and not one.is_chunk]

    def let_go(self, times: int = 1) -> None:
        """Answer one of what is held."""
        self._let_go.release(times)

    def wait(self, asked: Asked, gone: Callable[[], bool]) -> bool:
        """Whether the asker still waits once this is let go."""
        self.held.append(asked)
        try:
            while not self._let_go.acquire(timeout=0.01):
                if gone():
                    self.left += 1
                    return False
        finally:
            self.held.remove(asked)
        return True

    def template(self, body: dict[str, Any]) -> str:
        return " ".join(f"<{one['role']}> {_text(one['content'])}" for one in body["messages"]) + " <assistant>"

    def tokens(self, text: str, pictures: Sequence[str] = ()) -> list[int]:
        rest, found = list(pictures), []
        for word in _pieces(text):
            found += [f"{letter} of a picture" for letter in rest.pop(0)] if word.strip() == MARKER else [word.strip()]
        with self._lock:
            return [self._words.setdefault(word, len(self._words)) for word in found]

    def prompt_of(self, asked: Asked) -> list[int]:
        if asked.path == CHAT:
            return self.tokens(self.template(asked.body), [url.partition(",")[2] for url in _urls(asked.body)])
        prompt = asked.body["prompt"]
        if isinstance(prompt, dict):
            assert prompt["prompt_string"].count(MARKER) == len(prompt["multimodal_data"])
            assert not prompt["prompt_string"].endswith(MARKER), "nobody can say what follows a picture"
            return self.tokens(prompt["prompt_string"], prompt["multimodal_data"])
        return self.tokens(prompt) if isinstance(prompt, str) else list(prompt)

    def read(self, slot: int, tokens: list[int], answer: list[int]) -> int:
        """How many tokens of the prompt the slot knew."""
        with self._lock:
            if self.forgets:
                self._caches = [[] for _ in self._caches]
            known = min(common(self._caches[slot], tokens), len(tokens) - 1)
            self._caches[slot] = [*tokens, *answer]
        return known


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedLlama

    def do_GET(self) -> None:
        asked = Asked(self.path, {})
        if self.path == PROPERTIES:
            self._tell(Reply(content=json.dumps({"media_marker": MARKER}).encode()))
            return
        self._tell(self.server.replies(asked) or Reply(content=json.dumps({"path": self.path}).encode()))

    def do_POST(self) -> None:
        asked = Asked(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.asked.append(asked)
        if self.server.holding(asked) and not self.server.wait(asked, self._gone):
            return
        self._tell(self.server.replies(asked) or Reply(content=self._said(asked)))

    def _tell(self, reply: Reply) -> None:
        if reply.status is None:
            return
        self.send_response(reply.status)
        self.send_header(
            "Content-Type", "text/event-stream" if reply.content.startswith(b"data:") else "application/json"
        )
        for name, value in (*reply.headers, ("Content-Length", str(len(reply.content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def _gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable)

    def _said(self, asked: Asked) -> bytes:
        if asked.path == TEMPLATE:
            return json.dumps({"prompt": self.server.template(asked.body)}).encode()
        if asked.path == TOKENS:
            tokens: list[Any] = self.server.tokens(asked.body["content"])
            if asked.body.get("with_pieces"):
                tokens = [{"piece": piece} for piece in _pieces(asked.body["content"])]
            return json.dumps({"tokens": tokens}).encode()
        streamed = self._streamed(asked)
        last = [line for line in streamed.splitlines() if line.startswith(b"data: {")][-1]
        if asked.body.get("stream"):
            return streamed
        whole = json.loads(last.removeprefix(b"data: "))
        return json.dumps(whole | {"choices": _choice(asked, " ".join(ANSWER), "stop")["choices"]}).encode()

    def _streamed(self, asked: Asked) -> bytes:
        tokens = self.server.prompt_of(asked)
        said = (CHUNKS_TOKEN,) if asked.is_chunk else ANSWER
        known = self.server.read(asked.body.get("id_slot", 0), tokens, self.server.tokens(" ".join(said)))
        events = [_choice(asked, f"{word} ", None) for word in said] + [_choice(asked, "", "stop"), {"choices": []}]
        events[-1] |= _told(len(tokens), known, len(said), self.server.pace)
        if asked.body.get("return_progress"):
            events.insert(0, {"choices": [], "prompt_progress": {"total": len(tokens), "cache": known}})
        lines = [f"data: {json.dumps(event | {'model': 'm'})}\n\n" for event in events]
        return "".join([*lines, "data: [DONE]\n\n"]).encode()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def words(number: int, first: int = 0) -> str:
    """So many words, that are tokens; those from `first` on."""
    return " ".join(f"w{place}" for place in range(first, number))


def common(one: list[int], other: list[int]) -> int:
    """Tokens that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", MARKER) for part in content)


def _urls(body: dict[str, Any]) -> list[str]:
    contents = [one["content"] for one in body["messages"] if isinstance(one["content"], list)]
    return [part["image_url"]["url"] for content in contents for part in content if "image_url" in part]


def _pieces(text: str) -> list[str]:
    """Words with the space before them, and markers."""
    return re.findall(rf"{MARKER}|\s*(?:(?!{MARKER})\S)+", text)


def _choice(asked: Asked, text: str, reason: str | None) -> dict[str, Any]:
    said = {"delta": {"content": text}} if asked.path == CHAT else {"text": text}
    return {"choices": [{"index": 0, "finish_reason": reason, **said}]}


def _told(prompt: int, known: int, said: int, pace: float) -> dict[str, Any]:
    usage = {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
    read = prompt - known
    return {
        "usage": usage | {"prompt_tokens_details": {"cached_tokens": known}},
        "timings": {
            "cache_n": known,
            "prompt_n": read,
            "prompt_ms": read * pace,
            "predicted_n": said,
            "predicted_ms": 1.0,
        },
    }
