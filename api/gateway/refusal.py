"""What an engine refuses, and an engine that goes away, as errors of ours: each dialect has its own shape for them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from http import HTTPStatus

from shared.errors import BadRequest, Busy, CidermillError, ContextExceeded, EngineFailed, Unavailable
from shared.hub import retry_after
from shared.mistakes import is_mistake

_LONGEST = 500
#: Seconds that an engine may send our clients away for.
_LONGEST_PAUSE = 3600
#: What llama.cpp answers with 500 to a text too long to embed. Its step is the run's context there, as texts are read
#: in one.
_TOO_LARGE = re.compile(r"input \((\d+) tokens\) is too large to process\..*batch size: (\d+)")


def refusal(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> CidermillError:
    """The engine's error: a mistake of the asker's stays one, everything else is the engine's.

    `headers` by their names in lower case.
    """
    why = _message(content)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _busy(why, retry_after((headers or {}).get("retry-after")))
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return Unavailable("The engine gave the request up", why, "ask again")
    if (large := _TOO_LARGE.match(why)) is not None:
        return _too_long(why, int(large[1]), int(large[2]))
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR or is_mistake(why):
        if "context" in why and ("exceed" in why or "larger" in why or "too long" in why):
            return _too_long(why, _number(content, "n_prompt_tokens"), _number(content, "n_ctx"))
        return BadRequest("The engine refuses the request", why, "correct the request")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Unavailable("The engine is busy", why, "ask again in a moment")
    return EngineFailed("The engine failed at the request", why, "ask again; if it stays, see `cidermill runs logs`")


def _busy(why: str, seconds: float | None) -> Busy:
    if seconds is None:
        return Busy("The engine is busy", why, "ask again in a moment")
    pause = max(1, math.ceil(min(seconds, _LONGEST_PAUSE)))
    return Busy("The engine is busy", why, f"ask again in {pause} s", retry_after=pause)


class Lost(Exception):
    """The run is not there, or not any more; another may answer in its place."""

    def __init__(self, problem: Unavailable) -> None:
        super().__init__(str(problem))
        self.problem = problem


def went_away(error: OSError) -> Unavailable:
    return Unavailable("The run went away while it was asked", f"{type(error).__name__}: {error}", "ask again")


def stopped() -> Unavailable:
    return Unavailable("The front door is being stopped", "no answer was there in time", "ask again in a moment")


def refused_by_agent(run_id: str, reason: str) -> Unavailable:
    return Unavailable("The run cannot be reached", f"the agent of its host says: {reason[:_LONGEST]}", "ask again")


def _too_long(why: str, tokens: int | None, context: int | None) -> ContextExceeded:
    fix = "shorten the request, or load the model with more: cidermill runs start MODEL --context TOKENS"
    if tokens is not None and context is not None:
        why = f"it has {tokens} tokens, and the run has a context of {context}"
    # Clients know it by its words, and then shorten their history: LangChain by the first half, LiteLLM by the second.
    what = "The prompt is too long and exceeds the available context size"
    return ContextExceeded(what, why, fix, tokens=tokens, context=context)


def _number(content: bytes, name: str) -> int | None:
    """A field of llama.cpp's error."""
    try:
        number = json.loads(content)["error"][name]
    except (ValueError, KeyError, TypeError):
        return None
    return number if isinstance(number, int) else None


def _message(content: bytes) -> str:
    """Engines write `{"error": {"message": …}}`, `{"error": "…"}`, or nothing in particular."""
    try:
        said = json.loads(content)
    except ValueError:
        return content.decode(errors="replace")[:_LONGEST]
    error = said.get("error", said) if isinstance(said, dict) else said
    return str(error.get("message") or error if isinstance(error, dict) else error)[:_LONGEST]
