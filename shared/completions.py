"""Ask a run for a completion or an embedding, whole or streamed, and time it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from shared.assembly import Assembly
from shared.errors import EngineFailed, InvalidInput, RunDied
from shared.foreign_json import read_foreign
from shared.loopback import Check, Reply, post
from shared.mistakes import is_mistake
from shared.requests import ASK_PROGRESS, EMBEDDING, WORK, EngineRequest, Work, choices_of
from shared.runtimes import Endpoint
from shared.sse import read_events

_HEADERS = {"Content-Type": "application/json"}
#: Refusals that may not be repeated when asked again, beside all of 500 and above.
_TRANSIENT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_STATUS = re.compile("[45][0-9]{2}")

#: Told each piece of the answer's text as it arrives.
OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Completion:
    """The engine's response with what it took, in seconds since the request was sent.

    `first` and `last` are the arrivals of the first and last pieces that carry text (of the answer or of its
    reasoning; a piece with only a role is none); `None` when there was none, or all came in one piece.
    """

    response: dict[str, Any]
    seconds: float
    first: float | None = None
    last: float | None = None

    @property
    def usage(self) -> dict[str, Any]:
        """Token counts as the engine reports them; empty when it does not."""
        return self.response.get("usage") or {}

    @property
    def text(self) -> str:
        """The first choice's answer; `""` for embeddings."""
        choice = self._choice()
        return str((choice.get("message") or {}).get("content") or choice.get("text") or "")

    @property
    def finish_reason(self) -> str | None:
        return self._choice().get("finish_reason")

    def _choice(self) -> dict[str, Any]:
        choices = self.response.get("choices") or [{}]
        return choices[0] or {}


def complete(
    endpoint: Endpoint, request: EngineRequest, *, timeout: float, check: Check, work: Work = Work.JOB
) -> Completion:
    """Ask and wait for the whole response.

    An engine that answers in one piece does not see for a second that nobody waits any more, and not at all while it
    talks to others (llama.cpp); and it counts only the first of several answers. So what is written comes as a stream.

    Raises InvalidInput when the engine refuses the request, EngineFailed when it fails at it or takes longer
    than `timeout` seconds, RunDied when it goes away, and whatever `check` raises while waiting.
    """
    if request.path != EMBEDDING:
        return stream(endpoint, request, _unheard, timeout=timeout, check=check, work=work)
    started = time.perf_counter()
    body = request.body | {"model": endpoint.served_name}
    body.pop("stream", None)
    body.pop("stream_options", None)
    with post(endpoint.url + request.path, _dump(body), _HEADERS | {WORK: work}, timeout, check) as reply:
        response = read_answer(_accepted(reply).read())
    return Completion(response, time.perf_counter() - started)


def stream(
    endpoint: Endpoint,
    request: EngineRequest,
    on_text: OnText,
    *,
    timeout: float,
    check: Check,
    work: Work = Work.JOB,
) -> Completion:
    """Ask for a streamed response, tell `on_text` its text as it comes, and return it assembled.

    Raises as `complete` does, and RunDied when the stream ends before the engine says why it stopped.
    """
    started = time.perf_counter()
    body = request.body | {"model": endpoint.served_name, "stream": True, ASK_PROGRESS: True}
    body["stream_options"] = {"include_usage": True}
    assembly, first, last = Assembly(choices_of(request.body)), None, None
    with post(endpoint.url + request.path, _dump(body), _HEADERS | {WORK: work}, timeout, check) as reply:
        if _accepted(reply).media_type == "application/json":
            # It does not stream, and was asked for the same.
            return _at_once(reply, on_text, started)
        for event in read_events(reply.pieces()):
            if event.data == "[DONE]":
                continue
            answer, reasoning = assembly.add(_answer(event.data))
            if answer or reasoning:
                last = time.perf_counter() - started
                first = first or last
            if answer:
                on_text(answer)
    if not assembly.finished:
        raise _broken_off(endpoint)
    return Completion(assembly.response(), time.perf_counter() - started, first, last)


def _at_once(reply: Reply, on_text: OnText, started: float) -> Completion:
    said = _answer(reply.read())
    choices = said.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        raise EngineFailed("The engine said nothing", "its answer has no choices", "see the run's log")
    completion = Completion(said, time.perf_counter() - started)
    if completion.text:
        on_text(completion.text)
    return completion


def _unheard(text: str) -> None:
    """Nobody listens: the whole counts."""


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _accepted(reply: Reply) -> Reply:
    if reply.status == HTTPStatus.OK:
        return reply
    raise refusal(reply.status, reply.read())


def refusal(status: int, body: bytes) -> EngineFailed | InvalidInput:
    """An engine's error answer, typed: InvalidInput when asking again cannot help."""
    said = _message(body)
    why = f"it answered {status}: {said}"
    if (status >= HTTPStatus.INTERNAL_SERVER_ERROR and not is_mistake(said)) or status in _TRANSIENT:
        return EngineFailed("The engine failed at the request", why, "retry it; else see the run's log", status=status)
    return InvalidInput("The engine refused the request", why, "correct the request's fields", status=status)


def _message(body: bytes) -> str:
    """The sentence in an OpenAI-shaped error, or the start of whatever came."""
    try:
        error = read_foreign(body)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return body[:300].decode(errors="replace")


def _answer(data: bytes | str) -> dict[str, Any]:
    """An answer, or a chunk of one; an error sent in its place is raised."""
    said = read_answer(data)
    if error := said.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        raise refusal(_status(code), data.encode() if isinstance(data, str) else data)
    return said


def _status(code: object) -> int:
    """An error's code where it is a status, also in digits; what else an engine may say is its failure."""
    return int(str(code)) if _STATUS.fullmatch(str(code)) else HTTPStatus.INTERNAL_SERVER_ERROR


def read_answer(data: bytes | str) -> dict[str, Any]:
    """What an engine says, whole or in a piece. Raises EngineFailed."""
    try:
        parsed = read_foreign(data)
    except ValueError as error:
        raise EngineFailed(
            "The engine's answer is not JSON", str(error), "see the run's log; the engine may be too old"
        ) from error
    if not isinstance(parsed, dict):
        raise EngineFailed("The engine's answer is not an object", fix="see the run's log")
    return parsed


def _broken_off(endpoint: Endpoint) -> RunDied:
    return RunDied(
        f"The run at {endpoint.url} broke off its answer",
        "the stream ended before the engine said why it stopped",
        "nothing, if it happens once: the job goes on with a new run; else see the run's log",
    )
