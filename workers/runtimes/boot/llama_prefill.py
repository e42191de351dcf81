"""Have llama.cpp read a long prompt in chunks, each a request of its own, so that others come between.

It reads the prompts that it has one after another, to their ends, and stops only a step after it was told. Asked for
the beginning of a prompt and no answer, then for a longer one, it goes on where its cache ends.

This is the talk without the wire: `chunks` yields what to ask, and is sent the body of what llama.cpp said.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any, TypeGuard

from shared.pictures import pictures, replaced
from shared.requests import COMPLETION
from workers.runtimes.boot.llama_ahead import NOTHING, Prefilled
from workers.runtimes.boot.llama_chunks import TEMPLATE, TOKENS, Chunks, Part, Progress, as_json, cached_first, field
from workers.runtimes.boot.llama_sight import seen
from workers.runtimes.boot.llama_slots import NAME

#: Bytes of a request that are hardly more than one token.
_BYTES = 3
#: For a picture where only its place matters: base64 of nothing that is looked at.
_STAND_IN = {"url": "data:image/png;base64,AAAA"}


def chunks(
    step: int, context: int, path: str, body: Mapping[str, Any], slot: int, progress: Progress
) -> Generator[Part, bytes | None, Prefilled]:
    """Read all but the last `step` tokens of a prompt into a slot.

    A chunk is a step, what takes a fifth of a second, or a picture.

    `progress` says how much of it the slot likely has: the first chunk ends a step behind that, as what it has behind a
    chunk's end is lost. `context` is a slot's, in tokens: what does not fit there, and whatever else llama.cpp does not
    want, is left to be refused with the request itself.
    """
    talk, shown, prompt = Chunks(step, slot, body), list[Any](), body.get("prompt")
    if path != COMPLETION:
        shown, plain = list(pictures(body.get("messages"))), replaced(body.get("messages"), lambda _: _STAND_IN)
        prompt = field((yield Part(TEMPLATE, as_json({**body, "messages": plain}))), "prompt")
    if shown and isinstance(prompt, str):
        return (yield from seen(step, context, prompt, shown, talk, progress))
    if isinstance(prompt, str):
        asked = {"content": prompt, "add_special": True, "parse_special": True}
        prompt = field((yield Part(TOKENS, as_json(asked))), "tokens")
    if not _are_tokens(prompt) or len(prompt) >= context:
        return NOTHING
    progress.total = len(prompt)
    return (yield from _read(step, prompt, talk, progress))


def _read(step: int, tokens: list[int], talk: Chunks, progress: Progress) -> Generator[Part, bytes | None, Prefilled]:
    spelled = [str(token) for token in tokens]
    if len(tokens) > step:
        # What it has behind the end of a prompt is lost anyway.
        progress.read = min(progress.read, len(tokens) - step - 1)
    while len(tokens) - progress.read > step:
        end, progress.sent = min(progress.read + talk.size, len(tokens) - 1), True
        prompt = b"[" + ",".join(spelled[:end]).encode() + b"]"
        said = yield talk.part([prompt], max(0, progress.read - 2 * step))
        read = talk.heard(said)
        if read is None:
            if talk.before is not None or (cached := cached_first(said)) is None:
                break
            talk.before = progress.read = progress.held = cached
            continue
        talk.pace(end - read.cached, read.seconds)
        progress.read = progress.held = end
    return talk.prefilled()


def worth_it(step: int, path: str, body: Mapping[str, Any], size: int, *, urgent: bool, seeing: bool) -> bool:
    """Whether a request may have more to read than one step: `size` bytes of prompt, or several pictures.

    One picture may be it, too, where it is not `urgent`: it waits for others' chunks as one of its own. `seeing`:
    llama.cpp goes on behind pictures that it saw.
    """
    if body.get("cache_prompt") is False or body.get("lora") or not _is_one(path, body):
        return False
    shown = len(list(pictures(body.get("messages")))) if path != COMPLETION else 0
    return (seeing or not shown) and (shown > (1 if urgent else 0) or size - NAME * shown > _BYTES * step)


def _is_one(path: str, body: Mapping[str, Any]) -> bool:
    """One prompt, of text and pictures: sound becomes tokens that nobody can be asked for."""
    if path == COMPLETION:
        prompt = body.get("prompt")
        return isinstance(prompt, str) or _are_tokens(prompt)
    messages = body.get("messages")
    return not any(
        isinstance(part, Mapping) and part.get("type") not in ("text", "refusal", "image_url")
        for message in (messages if isinstance(messages, Iterable) else ())
        if isinstance(message, Mapping) and isinstance(message.get("content"), list)
        for part in message["content"]
    )


def _are_tokens(prompt: Any) -> TypeGuard[list[int]]:
    return isinstance(prompt, list) and all(type(token) is int and 0 <= token < 2**31 for token in prompt)
