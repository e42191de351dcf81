"""Ask a run to transcribe a WAV, and take its segments as it finishes them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain

from shared.completions import read_answer, refusal
from shared.errors import RunDied
from shared.loopback import Check, post
from shared.multipart import envelope
from shared.runtimes import Endpoint
from shared.sse import ServerEvent, read_events
from shared.subtitles import Segment

_PATH = "/v1/audio/transcriptions"


@dataclass(frozen=True, slots=True)
class Heard:
    """What an engine sends while it transcribes: a finished segment, or at the end `None` and the language."""

    segment: Segment | None
    language: str | None = None


def hear(
    endpoint: Endpoint,
    wav: tuple[int, Iterator[bytes]],
    fields: Mapping[str, str],
    *,
    timeout: float,
    check: Check,
) -> Generator[Heard, None, None]:
    """Send a WAV (its bytes' count, and the pieces) and yield each segment when it is finished, then the end.

    `fields` are those of OpenAI's transcription form. Closing the iterator stops the engine. Raises as
    `shared.completions.complete` does.
    """
    size, pieces = wav
    form = envelope(
        {"model": endpoint.served_name, "stream": "true", **fields}.items(),
        filename="audio.wav",
        media_type="audio/wav",
    )
    headers = {"Content-Type": form.media_type, "Content-Length": str(form.size(size))}
    body = chain([form.head], pieces, [form.tail])
    with post(endpoint.url + _PATH, body, headers, timeout, check) as reply:
        if reply.status != HTTPStatus.OK:
            raise refusal(reply.status, reply.read())
        for event in read_events(reply.pieces()):
            heard = _read(event)
            if heard is not None:
                yield heard
                if heard.segment is None:
                    return
    raise RunDied(
        f"The run at {endpoint.url} broke off its transcript",
        "the stream ended without its last event",
        "nothing, if it happens once: the job goes on with a new run; else see the run's log",
    )


def _read(event: ServerEvent) -> Heard | None:
    if event.data == "[DONE]":
        return None
    said = read_answer(event.data)
    if "error" in said:
        raise refusal(HTTPStatus.INTERNAL_SERVER_ERROR, event.data.encode())
    kind = said.get("type", event.name)
    if kind == "transcript.segment":
        segment = said.get("segment", said)
        return Heard(Segment.model_validate(segment), said.get("language"))
    return Heard(None, said.get("language")) if kind.endswith(".done") else None
