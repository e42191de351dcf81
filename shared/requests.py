"""One request to an engine, read from any of the shapes people write it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.call_arguments import with_readable_calls
from shared.foreign_json import read_foreign
from shared.opening import Opening
from shared.pictures import check_pictures, with_urls
from shared.remote_parts import remote_parts
from shared.vocabulary import Capability

CHAT = "/v1/chat/completions"
COMPLETION = "/v1/completions"
EMBEDDING = "/v1/embeddings"
#: Of a streamed request: llama.cpp then tells how much of the prompt it has read, after each step.
ASK_PROGRESS = "return_progress"

#: Header that tells a run what a request is for.
WORK = "Cidermill-Work"

#: What each path asks for, by the field that only its bodies have.
_PATHS = {"messages": CHAT, "prompt": COMPLETION, "input": EMBEDDING}
_NONE: Mapping[str, Any] = {}
_REQUIRED = {path: field for field, path in _PATHS.items()}


class Work(StrEnum):
    """What a request to a run is for: people go before jobs, and benchmarks are answered without any art."""

    PERSON = "person"
    JOB = "job"
    BENCHMARK = "benchmark"

    @classmethod
    def of(cls, said: str) -> Work:
        """People say nothing."""
        return cls(said) if said in set(cls) else cls.PERSON


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """A body and where it goes; `custom_id` is the caller's own name for it."""

    path: str
    body: dict[str, Any]
    custom_id: str | None = None

    @property
    def capability(self) -> Capability:
        return Capability.EMBED if self.path == EMBEDDING else Capability.GENERATE


def read_request(written: Any, defaults: Mapping[str, Any] = _NONE, opening: Opening | None = None) -> EngineRequest:
    """Read `{"messages" | "prompt" | "input": …}` or an OpenAI batch line `{custom_id, method, url, body}`.

    Fields that the body does not set are taken from `defaults`; chats begin with `opening`.

    Raises ValueError with a sentence that says what is wrong and what is expected.
    """
    if not isinstance(written, Mapping):
        raise ValueError(f"a request is an object, not {type(written).__name__}")
    custom_id = written.get("custom_id")
    if custom_id is not None and not isinstance(custom_id, str):
        raise ValueError("custom_id must be a string")
    body = written.get("body", written)
    if not isinstance(body, Mapping):
        raise ValueError("body must be an object with messages, prompt or input")
    if str(written.get("method", "POST")).upper() != "POST":
        raise ValueError("method must be POST")
    plain = {name: value for name, value in body.items() if name not in ("custom_id", "url", "method")}
    path, asked = _path(written.get("url"), plain), {**defaults, **plain}
    if opening is not None and path == CHAT:
        asked["messages"] = opening.before(asked["messages"])
    if path == CHAT:
        asked["messages"] = [with_urls(with_readable_calls(message)) for message in asked["messages"]]
    for place, kind in remote_parts(asked.get("messages")):
        raise ValueError(f"the {kind} of message {place} is an address, and nothing is fetched: send a data: URL")
    check_pictures(asked.get("messages"))
    return EngineRequest(path, asked, custom_id)


def read_line(line: bytes, defaults: Mapping[str, Any] = _NONE, opening: Opening | None = None) -> EngineRequest:
    """Read one line of a JSONL file. Raises ValueError as `read_request` does."""
    try:
        written = read_foreign(line)
    except ValueError as error:
        raise ValueError(f"the line is not JSON: {error}") from error
    return read_request(written, defaults, opening)


def choices_of(body: Mapping[str, Any]) -> int:
    """Answers to each prompt; what is no number is the engine's to refuse."""
    wanted = body.get("n")
    return wanted if isinstance(wanted, int) else 1


def _path(url: Any, body: Mapping[str, Any]) -> str:
    given = [name for name in _PATHS if body.get(name) is not None]
    if url is None:
        if len(given) != 1:
            raise ValueError(f"give exactly one of messages, prompt and input, not {len(given)}")
        path = _PATHS[given[0]]
    else:
        path = "/v1/" + str(url).strip("/").removeprefix("v1/")
    field = _REQUIRED.get(path)
    if field is None:
        raise ValueError(f"url {url!r} is none of {', '.join(_REQUIRED)}")
    if field not in given:
        raise ValueError(f"a request to {path} needs {field}")
    if field == "messages" and not _are_messages(body[field]):
        raise ValueError("messages must be a list of one or more objects with a role")
    return path


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(m, Mapping) and "role" in m for m in value)
