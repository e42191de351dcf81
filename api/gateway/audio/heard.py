"""What an engine tells of a recording while it hears it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from api.gateway.refusal import refusal
from shared.errors import EngineFailed
from shared.subtitles import Segment, Transcript


class Heard:
    """The segments so far."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._segments: list[Segment] = []
        self._language: str | None = None
        self._duration: float | None = None

    def feed(self, events: Sequence[bytes]) -> list[Segment]:
        """Segments that are new. Raises EngineFailed when the engine says that something went wrong."""
        before = len(self._segments)
        for event in events:
            self._take(json.loads(event), event)
        return self._segments[before:]

    def transcript(self) -> Transcript:
        """All of it. Raises EngineFailed when the engine did not come to its end."""
        if self._duration is None:
            raise EngineFailed(
                "The engine broke off its transcript",
                f"it ended after {len(self._segments)} segments, without its last word",
                "ask again; if it stays, see `cidermill runs logs`",
            )
        return Transcript(
            segments=tuple(self._segments), duration=self._duration, language=self._language, task=self._task
        )

    def _take(self, said: dict[str, Any], event: bytes) -> None:
        if "error" in said:
            raise refusal(HTTPStatus.INTERNAL_SERVER_ERROR, event)
        self._language = said.get("language") or self._language
        if said.get("type") == "transcript.segment":
            self._segments.append(Segment.model_validate(said))
        elif said.get("type") == "transcript.text.done":
            self._duration = float(said.get("duration") or 0.0)
