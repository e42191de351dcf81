"""How much context a request needs, and how much to ask for; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.gateway import local_tokens
from api.gateway.routing import Candidate
from shared.errors import CannotFit

#: Tokens for an answer whose length nobody limits.
_ANSWER = 1024


def guess(body: Mapping[str, Any]) -> int:
    """About how many tokens an engine's request has: cheap, and a little off."""
    said = body.get("prompt", body.get("input"))
    if isinstance(said, str):
        return local_tokens.estimate({"messages": [{"content": said}]})
    if isinstance(said, list):
        ids = [part for part in said if isinstance(part, int)]
        return len(ids) or max((_of_prompt(part) for part in said), default=0)
    return local_tokens.estimate(body)


def _of_prompt(part: Any) -> int:
    """One of several prompts: a text, or the ids of its tokens. Lists may be nested deeper, and mean nothing then."""
    return guess({"prompt": part}) if isinstance(part, str) else len(part) if isinstance(part, list) else 0


def roomy(runs: Iterable[Candidate], tokens: int) -> tuple[Candidate, ...]:
    """Those whose context holds so many tokens and at least one of an answer."""
    return tuple(run for run in runs if run.context > tokens)


def differ(runs: Sequence[Candidate]) -> bool:
    """Does it matter for long requests which of the runs is asked?"""
    return len({run.context for run in runs}) > 1


def wanted(model: str, tokens: int, answer: object, most: int | None) -> int:
    """The context to load `model` with for a prompt of `tokens`: a power of two, or all that the model has.

    `answer` is the request's own limit of its answer. Raises CannotFit when the model has less than the prompt needs,
    or nobody knows how much it has.
    """
    if most is None or most <= tokens:
        why = "nobody knows how much context it can have" if most is None else f"it can have {most} at most"
        raise CannotFit(f"{model} cannot have {tokens + 1} tokens of context", why, "shorten the request", most=most)
    more = answer if isinstance(answer, int) and answer > 0 else _ANSWER
    return min(1 << (tokens + more - 1).bit_length(), most)
