"""Chunks of a prompt as they are asked of llama.cpp, and what it tells of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.foreign_json import read_foreign
from shared.requests import ASK_PROGRESS
from shared.told import amount, count
from workers.runtimes.boot.llama_ahead import NOTHING, Prefilled

TEMPLATE, TOKENS, PROPERTIES = "/apply-template", "/tokenize", "/props"
#: llama.cpp's own path: OpenAI's takes no tokens where the model sees, and no pictures.
CHUNK = "/completion"
#: Seconds that a chunk takes where a step is faster than that: each is a request, which costs a millisecond.
_CHUNK_SECONDS = 0.2
#: And at most, where each costs more than that.
_MOST_SECONDS = 1.0
#: As a stream: if more must be read than was thought, it hears after a step that nobody listens.
_NO_ANSWER = {
    "max_tokens": 0, "cache_prompt": True, "stream": True, ASK_PROGRESS: True, "response_fields": ["timings"]
}  # fmt: skip
#: Of a request: what only chats have, or what is about the answer alone. It is told the rest with the first chunk, so
#: that it refuses what it would refuse before it has read all.
_OF_THE_ANSWER = frozenset(
    {
        "messages", "prompt", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call",
        "response_format", "json_schema", "grammar", "chat_template_kwargs", "stream", "stream_options", "n", "best_of",
        "echo", "suffix", "logprobs", "top_logprobs", "n_probs", "max_completion_tokens", "n_predict",
        "response_fields",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """What to ask next, as JSON, or with nothing to say; `None` is to be sent where the answer was no 200."""

    path: str
    content: bytes = b""
    #: Of a chunk: tokens that the slot should know, at least. Where it says that it knows less, leave, and send what it
    #: said so far: it would read in one go what was thought to be known.
    known: int = 0


@dataclass(slots=True)
class Progress:
    """How far a prompt was read, of how many tokens; told as it goes. Before: what its slot likely has."""

    #: Tokens; where pictures are shown, those of the text.
    read: int = 0
    total: int = 0
    #: Pictures.
    pictures: int = 0
    #: Which part of the prompt the slot has, and tokens of the answer behind it.
    share: float = 0.0
    answer: int = 0
    #: Something was sent that changes what the slot has.
    sent: bool = False
    #: Tokens that the slot has now.
    held: int = 0
    #: Seconds from asking for the last part to all that was said of it.
    wall: float = 0.0
    #: It had none of a chunk any more that it had read: it cannot go on where one ended.
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What llama.cpp says of a chunk."""

    #: Tokens that it knew before, and those that it read, in seconds.
    cached: int
    read: int
    seconds: float

    @property
    def total(self) -> int:
        return self.cached + self.read

    @classmethod
    def of(cls, said: bytes | None) -> Read | None:
        """`None`: it does not tell, so it did not work."""
        for line in reversed((said or b"").splitlines()):
            if line.startswith(b"data:") and isinstance(timings := field(line[5:], "timings"), dict):
                cached, took = amount(timings.get("cache_n")), amount(timings.get("prompt_ms"))
                read = count(timings.get("prompt_n"))
                return None if cached is None or took is None else cls(int(cached), read, took / 1000)
        return None


class Chunks:
    """The chunks of one prompt: how large each may be, and what was read with them."""

    def __init__(self, step: int, slot: int, body: Mapping[str, Any]) -> None:
        self._step = step
        #: Tokens of the next.
        self.size = step
        #: Tokens that the slot knew before the first; `None`: nobody knows yet.
        self.before: int | None = None
        self._seconds = 0.0
        plain = _NO_ANSWER | {"id_slot": slot}
        extra = {name: value for name, value in body.items() if name not in _OF_THE_ANSWER}
        self._first, self._later = as_json({**extra, **plain})[:-1], as_json(plain)[:-1]

    def part(self, prompt: Iterable[bytes], known: int) -> Part:
        """To ask for a prompt, which is JSON in pieces: pictures are large, and copied once."""
        head = self._first if self.before is None else self._later
        return Part(CHUNK, b"".join((head, b',"prompt":', *prompt, b"}")), known)

    def heard(self, said: bytes | None) -> Read | None:
        """What was read with it; `None` when it did not work, or was left."""
        read = Read.of(said)
        if read is not None:
            self.before = read.cached if self.before is None else self.before
            self._seconds += read.seconds
        return read

    def pace(self, read: int, seconds: float, besides: float = 0.0) -> None:
        """So many tokens took so long, and `besides` what is the same for any number: how large the next may be."""
        wanted = max(_CHUNK_SECONDS, min(_MOST_SECONDS, besides))
        self.size = max(self._step, int(read / max(seconds, 1e-6) * wanted) // self._step * self._step)

    def prefilled(self) -> Prefilled:
        return NOTHING if self.before is None else Prefilled(self.before, self._seconds * 1000)


def cached_first(said: bytes | None) -> int | None:
    """Tokens that a chunk's slot knew, as it says before it reads; `None` while it has not said."""
    for line in (said or b"").splitlines(keepends=True):
        if line.startswith(b"data:") and line.endswith(b"\n"):
            progress = field(line[5:], "prompt_progress")
            cached = amount(progress.get("cache")) if isinstance(progress, dict) else None
            return None if cached is None else int(cached)
    return None


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def field(said: bytes | None, name: str) -> Any:
    """Of an object; `None` when it is none, or has none."""
    try:
        read = read_foreign(said or b"null")
    except ValueError:
        return None
    return read.get(name) if isinstance(read, dict) else None
