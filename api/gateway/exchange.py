"""What a dialect hands to the proxy: one request to an engine, and how the answer goes back to the client.

Every engine speaks OpenAI's chat completions, completions and embeddings, so those bodies are the neutral form: a
dialect translates its request into one of them (`Exchange.body`), and the engine's answer out of it again, in one piece
(`Exchange.whole`) or as it comes (`Writer`). With a file (`Exchange.upload`) the fields of the body go as a form, as
engines that hear expect it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from api.energy import Stay
from api.gateway.upload import Upload
from shared.errors import Problem
from shared.requests import CHAT, COMPLETION, choices_of
from shared.runtimes import RunSpec
from shared.vocabulary import Capability, Priority

TRANSCRIPTION = "/v1/audio/transcriptions"
TRANSLATION = "/v1/audio/translations"

#: A JSON object of an engine.
Said = Mapping[str, Any]


class Writer(Protocol):
    """One streamed answer in one dialect. What it returns is sent as it is; empty bytes send nothing."""

    media_type: str

    def waiting(self) -> bytes:
        """Keeps the connection open while there is no run yet."""

    def feed(self, events: Sequence[bytes]) -> bytes:
        """The engine's events, each the JSON of one chunk, as the client reads them."""

    def end(self) -> bytes:
        """The engine has said everything."""

    def failed(self, problem: Problem, status: int) -> bytes:
        """Something went wrong after the status line was sent; nothing follows."""


@dataclass(slots=True)
class Beginning:
    """Of an answer; known once the engine that gives it is."""

    #: Its prompt ends with the tag that opens a thought.
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to an engine; made by a dialect, carried out by the proxy."""

    #: The model as the client called it; what the client reads calls it so again.
    model: str
    capability: Capability
    #: At the engine: one of those above.
    path: str
    #: The engine's request, but for `model`, `stream` and `stream_options`, which the proxy sets.
    body: dict[str, Any]
    #: The engine's whole answer as the client's; bytes are sent as they are.
    whole: Callable[[dict[str, Any]], Said | bytes] = dict
    #: Makes the writer of a streamed answer; `None` asks for the answer in one piece.
    writer: Callable[[], Writer] | None = None
    #: The client waits for all that the writer writes, and only the engine streams: engines that are silent for long
    #: count as stuck.
    gathered: bool = False
    #: A file that the engine is sent with the body.
    upload: Upload | None = None
    #: How to load the model, if it must be loaded.
    spec: RunSpec = field(default_factory=RunSpec)
    #: Tokens that its run must have more context than; known once a run has refused it for having less.
    tokens: int = 0
    #: Seconds that its run stays loaded afterwards, -1 for ever; `None` leaves that as it is.
    keep_alive: float | None = None
    #: How urgent a run is that must be started for it.
    priority: Priority = Priority.INTERACTIVE
    #: Told how many more pieces came of an answer that is put together here.
    heard: Callable[[int], None] = lambda _: None
    #: Told of each stay at an engine, when it begins.
    stayed: Callable[[Stay], None] = lambda _: None
    beginning: Beginning = field(default_factory=Beginning)
    #: Of a whole answer.
    media_type: str = "application/json"
    #: Changes what is asked in one piece, once the caller's limits allow it: what is done for that is a part of the
    #: same request.
    prepared: Callable[[Exchange], Awaitable[Exchange]] | None = None

    @property
    def choices(self) -> int:
        """Answers to each prompt."""
        return choices_of(self.body)

    @property
    def assembled(self) -> bool:
        """The client waits for the whole, and the engine streams: it stops at its next piece when nobody listens any
        more, where one that works in silence does not for seconds; and it counts each of several answers.
        """
        return self.writer is None and self.path in (CHAT, COMPLETION)
