"""Have llama.cpp read a long prompt in chunks, each a request of its own, so that others come between.

It reads the prompts that it has one after another, to their ends, and stops only a step after it was told. Asked for
the beginning of a prompt and no answer, then for a longer one, it goes on where its cache ends.

This is the talk without the wire: `chunks` yields what to ask, and is sent the body of what llama.cpp said.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from shared.foreign_json import read_foreign
from shared.requests import ASK_PROGRESS, COMPLETION
from shared.told import amount, count

TEMPLATE, TOKENS = "/apply-template", "/tokenize"
#: Seconds that a chunk takes where a step is faster than that: each is a request, which costs a millisecond.
_CHUNK_SECONDS = 0.2
#: Bytes of a request that are hardly more than one token.
_BYTES = 3
#: As a stream: if more must be read than was thought, it hears after a step that nobody listens.
_NO_ANSWER = {"max_tokens": 0, "cache_prompt": True, "stream": True, ASK_PROGRESS: True}
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
    """What to ask next, as JSON; `None` is to be sent where the answer was no 200."""

    path: str
    content: bytes
    #: Of a chunk: tokens that the slot should know, at least. Where it says that it knows less, leave, and send what it
    #: said so far: it would read in one go what was thought to be known.
    known: int = 0


@dataclass(frozen=True, slots=True)
class Prefilled:
    """What was read ahead of an answer, which llama.cpp now takes for known all along."""

    #: Tokens of the prompt that it knew before.
    cached: int
    #: Milliseconds that it read since.
    milliseconds: float

    def amended(self, said: dict[str, Any]) -> dict[str, Any]:
        """The answer, or a chunk of one, with what was read in its `usage`, `timings` and `prompt_progress`."""
        if self is NOTHING:
            return said
        usage, timings, progress = said.get("usage"), said.get("timings"), said.get("prompt_progress")
        if isinstance(usage, dict) and isinstance(details := usage.get("prompt_tokens_details"), dict):
            details["cached_tokens"] = min(self.cached, count(details.get("cached_tokens")))
        if isinstance(progress, dict) and "cache" in progress:
            progress["cache"] = min(self.cached, count(progress["cache"]))
        if isinstance(timings, dict) and "cache_n" in timings:
            _amend(timings, count(timings["cache_n"]), self)
        return said


#: The prompt was sent whole.
NOTHING = Prefilled(0, 0.0)


def _amend(timings: dict[str, Any], cached: int, ahead: Prefilled) -> None:
    """The fields of llama.cpp's `result_timings`."""
    more = max(0, cached - ahead.cached)
    read = count(timings.get("prompt_n")) + more
    took = (amount(timings.get("prompt_ms")) or 0.0) + ahead.milliseconds
    timings |= {"cache_n": cached - more, "prompt_n": read, "prompt_ms": took}
    if read and took:
        timings |= {"prompt_per_token_ms": took / read, "prompt_per_second": 1000 * read / took}


@dataclass(slots=True)
class Progress:
    """How far a prompt was read, in tokens, of how many; told as it goes."""

    read: int = 0
    total: int = 0
    #: Something was sent that changes what the slot has.
    sent: bool = False


def chunks(
    step: int, context: int, path: str, body: Mapping[str, Any], slot: int, progress: Progress
) -> Generator[Part, bytes | None, Prefilled]:
    """Read all but the last `step` tokens of a prompt into a slot, in chunks of a step or of a fifth of a second.

    `progress` says how much of it the slot likely has: the first chunk ends a step behind that, as what it has behind a
    chunk's end is lost. `context` is a slot's, in tokens: what does not fit there, and whatever else llama.cpp does not
    want, is left to be refused with the request itself.
    """
    prompt = body.get("prompt") if path == COMPLETION else _field((yield Part(TEMPLATE, _json(body))), "prompt")
    if isinstance(prompt, str):
        asked = {"content": prompt, "add_special": True, "parse_special": True}
        prompt = _field((yield Part(TOKENS, _json(asked))), "tokens")
    if not _are_tokens(prompt) or len(prompt) >= context:
        return NOTHING
    progress.total = len(prompt)
    extra = {name: value for name, value in body.items() if name not in _OF_THE_ANSWER}
    return (yield from _read(step, prompt, progress, slot, extra))


def _read(
    step: int, tokens: list[int], progress: Progress, slot: int, extra: Mapping[str, Any]
) -> Generator[Part, bytes | None, Prefilled]:
    before, spent, size = None, 0.0, step
    plain = _NO_ANSWER | {"id_slot": slot}
    first, later, spelled = _json({**extra, **plain})[:-1], _json(plain)[:-1], [str(token) for token in tokens]
    if len(tokens) > step:
        # What it has behind the end of a prompt is lost anyway.
        progress.read = min(progress.read, len(tokens) - step - 1)
    while len(tokens) - progress.read > step:
        end, progress.sent = min(progress.read + size, len(tokens) - 1), True
        head = first if before is None else later
        chunk = head + b',"prompt":[' + ",".join(spelled[:end]).encode() + b"]}"
        said = yield Part(COMPLETION, chunk, max(0, progress.read - 2 * step))
        read = _Read.of(said)
        if read is None:
            if before is not None or (cached := cached_first(said)) is None:
                break
            before = progress.read = cached
            continue
        if before is None:
            before = read.cached
        spent += read.seconds
        size = max(step, int((end - read.cached) / max(read.seconds, 1e-6) * _CHUNK_SECONDS) // step * step)
        progress.read = end
    return NOTHING if before is None else Prefilled(before, spent * 1000)


def cached_first(said: bytes | None) -> int | None:
    """Tokens that a chunk's slot knew, as it says before it reads; `None` while it has not said."""
    for line in (said or b"").splitlines(keepends=True):
        if line.startswith(b"data:") and line.endswith(b"\n"):
            progress = _field(line[5:], "prompt_progress")
            cached = amount(progress.get("cache")) if isinstance(progress, dict) else None
            return None if cached is None else int(cached)
    return None


def worth_it(step: int, path: str, body: Mapping[str, Any], size: int) -> bool:
    """Whether a request with a prompt of `size` bytes may have more than `step` tokens that can be read ahead."""
    return (
        _BYTES * step < size and body.get("cache_prompt") is not False and not body.get("lora") and _is_one(path, body)
    )


def _is_one(path: str, body: Mapping[str, Any]) -> bool:
    """One prompt, of text: pictures and sound become tokens that nobody can be asked for."""
    if path == COMPLETION:
        prompt = body.get("prompt")
        return isinstance(prompt, str) or _are_tokens(prompt)
    messages = body.get("messages")
    return not any(
        isinstance(part, Mapping) and part.get("type") not in ("text", "refusal")
        for message in (messages if isinstance(messages, Iterable) else ())
        if isinstance(message, Mapping) and isinstance(message.get("content"), list)
        for part in message["content"]
    )


def _are_tokens(prompt: Any) -> TypeGuard[list[int]]:
    return isinstance(prompt, list) and all(type(token) is int and 0 <= token < 2**31 for token in prompt)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


@dataclass(frozen=True, slots=True)
class _Read:
    """What llama.cpp says of a chunk."""

    #: Tokens that it knew before, and seconds that it read the others.
    cached: int
    seconds: float

    @classmethod
    def of(cls, said: bytes | None) -> _Read | None:
        """`None`: it does not tell, so it did not work."""
        for line in reversed((said or b"").splitlines()):
            if line.startswith(b"data:") and isinstance(timings := _field(line[5:], "timings"), dict):
                cached, took = amount(timings.get("cache_n")), amount(timings.get("prompt_ms"))
                return None if cached is None or took is None else cls(int(cached), took / 1000)
        return None


def _field(said: bytes | None, name: str) -> Any:
    """Of an object; `None` when it is none, or has none."""
    try:
        read = read_foreign(said or b"null")
    except ValueError:
        return None
    return read.get(name) if isinstance(read, dict) else None
