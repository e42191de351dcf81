"""Have an engine read a long prompt in chunks, each a request of its own: it can be left, and others come between.

llama.cpp reads the prompts that it has one after another, and stops reading only a step after it was told. So a short
question waits for all long prompts before it, and who leaves costs two steps. Asked for the beginning of a prompt and
no answer, then for a longer one, it goes on where its cache ends: between two chunks it takes what others ask.

This is the talk without the wire: `chunks` yields what to ask, and is sent the body of what the engine said.
"""

from __future__ import annotations

import json
import threading
import time
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from shared.last_answer import last_answer
from shared.requests import ASK_PROGRESS, CHAT, COMPLETION
from shared.told import amount, count

TEMPLATE, TOKENS = "/apply-template", "/tokenize"
#: Seconds that a chunk takes where a step is faster than that: requests cost a millisecond or two each.
_CHUNK_SECONDS = 0.2
#: llama.cpp gives a prompt the slot that knows the most of it, and passes by those that know less than a tenth.
_ALIKE = 10
#: How much longer than all before it a chunk is at most, so that its slot is not passed by.
_GROWTH = 4
#: Bytes of a request that are hardly more than one token.
_BYTES = 3
#: Seconds that a chunk may wait while others' steps are worked through.
_PROMPTLY = 2.0
#: As a stream: if more must be read than was thought, the engine hears after a step that nobody listens.
_NO_ANSWER = {"max_tokens": 0, "cache_prompt": True, "stream": True, ASK_PROGRESS: True}
#: Runs whose prompts are remembered.
_MOST_RUNS = 16
#: How a token is kept.
_NUMBER = "i"
#: Of a request: what only chats have, or what is about the answer alone. The engine is told the rest with the first
#: chunk, so that it refuses what it would refuse before it has read all.
_OF_THE_ANSWER = frozenset(
    {
        "messages", "prompt", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call",
        "response_format", "json_schema", "grammar", "grammar_lazy", "grammar_triggers", "chat_template_kwargs",
        "stream", "stream_options", "n", "n_cmpl", "best_of", "echo", "suffix", "logprobs", "top_logprobs", "n_probs",
        "max_completion_tokens", "n_predict",
    }
)  # fmt: skip
#: Fields that say where a request goes or what it may use: such a one is left as it is.
_OWN_WAY = ("id_slot", "lora", ASK_PROGRESS)


def _now() -> float:
    return time.perf_counter()


@dataclass(slots=True)
class Part:
    """What to ask next, as JSON; `None` is to be sent where the answer was no 200, or nobody was asked."""

    path: str
    content: bytes
    #: When it was asked, by the clock of `time.perf_counter`.
    began: float = field(default_factory=_now)

    def begins(self) -> None:
        """It is asked now: who waited for others before that did not wait for a slot."""
        self.began = _now()


@dataclass(frozen=True, slots=True)
class Prefilled:
    """What was read ahead of an answer, which the engine now takes for known all along."""

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
    """How many of a prompt's tokens are likely cached by now: less than all when it was left while it was read."""

    tokens: memoryview
    read: int = 0


class RecentPrompts:
    """The prompts that runs have read last, as tokens: what a new one has in common with them is likely cached.

    The first chunk ends a step behind that, so that the engine finds the slot which has it. For many threads.
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[object, deque[Progress]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, run: object, slots: int, prompt: Sequence[int]) -> Progress:
        """As far as one of the last prompts began alike and was read; `prompt` is the last one then."""
        progress = Progress(memoryview(array(_NUMBER, prompt)))
        with self._lock:
            seen = self._runs.setdefault(run, deque(maxlen=max(1, slots)))
            self._runs.move_to_end(run)
            while len(self._runs) > _MOST_RUNS:
                self._runs.popitem(last=False)
            others = list(seen)
            seen.append(progress)
        progress.read = max((_common(progress.tokens, other.tokens, other.read) for other in others), default=0)
        return progress


def _common(one: memoryview, other: memoryview, most: int) -> int:
    """Tokens that both begin with; each is compared once or twice."""
    low, high = 0, min(len(one), most)
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


#: Of a prompt that is about to be read.
Known = Callable[[Sequence[int]], Progress]


def chunks(
    step: int, context: int, path: str, body: Mapping[str, Any], known: Known
) -> Generator[Part, bytes | None, Prefilled]:
    """Read all but the last `step` tokens of a request's prompt, in chunks of one step or of a fifth of a second.

    `step` is the engine's own, in tokens; 0: it does not read ahead. `context` is a slot's; what does not fit there is
    left to be refused. What the engine does not want is left too: the request itself will say why. Ends early when
    the cache does not go on where it ended, because somebody else was given the slot.
    """
    if not step or not _suits(path, body):
        return NOTHING
    prompt = body.get("prompt") if path == COMPLETION else _field((yield Part(TEMPLATE, _json(body))), "prompt")
    tokens = (yield from _tokens(prompt)) if isinstance(prompt, str) else prompt
    if not _are_tokens(tokens) or not step < len(tokens) < (context or len(tokens) + 1):
        return NOTHING
    progress = known(tokens)
    if isinstance(prompt, str) and (answer := last_answer(prompt, body.get("messages"))):
        progress.read = yield from _with_answer(step, len(tokens), progress.read, prompt, *answer)
    return (yield from _read(step, tokens, progress, body))


def _tokens(text: str, *, begins: bool = True) -> Generator[Part, bytes | None, Any]:
    return _field(
        (yield Part(TOKENS, _json({"content": text, "add_special": begins, "parse_special": True}))), "tokens"
    )


def _with_answer(
    step: int, count: int, known: int, prompt: str, begin: int, end: int
) -> Generator[Part, bytes | None, int]:
    """`known`, and the answer that follows it: the run has likely written it itself.

    A chunk that ended before the answer does would have the engine forget it. Prompts of a step are not remembered.
    """
    after = yield from _tokens(prompt[end:], begins=False)
    if not _are_tokens(after) or count - len(after) <= known:
        return known
    answer = yield from _tokens(prompt[begin:end], begins=False)
    follows = _are_tokens(answer) and count - len(after) - len(answer) <= known + step
    return count - len(after) if follows else known


def _read(
    step: int, tokens: list[int], progress: Progress, body: Mapping[str, Any]
) -> Generator[Part, bytes | None, Prefilled]:
    before, spent, size = None, 0.0, _first(step, len(tokens), progress.read)
    extra = {name: value for name, value in body.items() if name not in _OF_THE_ANSWER}
    spelled = [str(token) for token in tokens]
    while len(tokens) - (done := progress.read) > step:
        end = min(done + size, len(tokens) - 1)
        part = Part(COMPLETION, _chunk(spelled[:end], extra))
        read = _Read.of((yield part))
        took = _now() - part.began
        if read is None:
            break
        spent += read.seconds
        progress.read = end
        if before is None:
            before, extra = read.cached, {}
        elif read.cached < done - 1:
            break
        if took - read.seconds > _PROMPTLY + 3 * read.seconds:
            # It waited in line for a slot, and whoever waits there would be given this one.
            break
        fast = int((end - read.cached) / max(took, 1e-6) * _CHUNK_SECONDS)
        size = max(step, min(fast, _GROWTH * end) // step * step)
    # The rest is read with the request itself.
    progress.read = len(tokens)
    return NOTHING if before is None else Prefilled(before, spent * 1000)


def _first(step: int, count: int, known: int) -> int:
    """Tokens of the first chunk: so many that it is given the slot which all of them would be given.

    What is known of another talk (a template's first words) would else have it thrown out beside free slots.
    """
    return step if known * _ALIKE > count else known * (_ALIKE - 1) + step


def worth_it(step: int, size: int) -> bool:
    """Whether a request of `size` bytes may have a prompt of more than one step."""
    return 0 < step * _BYTES < size


def _suits(path: str, body: Mapping[str, Any]) -> bool:
    if path not in (CHAT, COMPLETION) or any(body.get(name) is not None for name in _OWN_WAY):
        return False
    return body.get("cache_prompt") is not False and not (path == CHAT and _has_media(body.get("messages")))


def _has_media(messages: Any) -> bool:
    """What is no text becomes tokens that nobody can be asked for."""
    return any(
        isinstance(part, Mapping) and part.get("type") not in ("text", "refusal")
        for message in (messages if isinstance(messages, Iterable) else ())
        if isinstance(message, Mapping) and isinstance(message.get("content"), list)
        for part in message["content"]
    )


def _are_tokens(prompt: Any) -> TypeGuard[list[int]]:
    return isinstance(prompt, list) and all(type(token) is int and 0 <= token < 2**31 for token in prompt)


def _chunk(spelled: list[str], extra: Mapping[str, Any]) -> bytes:
    asked = _json(dict(extra) | _NO_ANSWER)
    return asked[:-1] + b',"prompt":[' + ",".join(spelled).encode() + b"]}"


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


@dataclass(frozen=True, slots=True)
class _Read:
    """What the engine says of a chunk."""

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
    """Of an object; `None` when it is none, or has none. Of 100,000 tokens none is looked at twice."""
    try:
        read = json.loads(said or b"null")
    except (ValueError, RecursionError):
        return None
    return read.get(name) if isinstance(read, dict) else None
