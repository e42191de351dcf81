"""One recording, heard by a run window after window, so that neither side holds much of it at once."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.audio import Recording
from shared.hearing import hear
from shared.loopback import Check
from shared.runtimes import Endpoint
from shared.subtitles import Segment, Transcript

#: Seconds of audio sent at once: what an engine holds in memory, and what it hears again after a cut, stays small.
_WINDOW = 1800.0
#: Less than this at the end is the rest of the last word; engines invent words for it.
_REST = 1.0
#: Seconds that an engine may take for one of audio before it counts as stuck.
_PATIENCE = 60.0
#: Words of the transcript so far that a later window is told, as whisper itself would remember them.
_MEMORY_WORDS = 100


class Wish(BaseModel):
    """How a recording is to be heard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["transcribe", "translate"] = Field("transcribe", description="Translate is into English.")
    language: str | None = Field(None, description="Spoken language as an ISO 639-1 code; default: detected.")
    prompt: str | None = Field(None, description="Words or names to expect, in the spoken language.")
    temperature: float = Field(0.0, ge=0, le=1, description="0 lets the engine raise it where it must.")
    word_timestamps: bool = Field(default=True, description="Times for each word.")


class Listening:
    """What was heard of a recording so far; each window begins at the end of the last finished segment.

    Given the segments of an earlier try it goes on after them; so does `run` when it is called again.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        recording: Recording,
        wish: Wish,
        check: Check,
        segments: Sequence[Segment] = (),
        language: str | None = None,
    ) -> None:
        self._endpoint, self._recording, self._wish, self._check = endpoint, recording, wish, check
        self.segments = list(segments)
        self.language = language or wish.language

    @property
    def position(self) -> float:
        """Seconds of the recording that are in finished segments."""
        return self.segments[-1].end if self.segments else 0.0

    def run(self) -> Generator[Segment, None, None]:
        """Yield each segment when it is finished and kept. Raises as `shared.hearing.hear` does."""
        total, position = self._recording.seconds, self.position
        rest = _REST if self.segments else 0.0
        while total - position > rest:
            end = min(position + _WINDOW, total)
            position = yield from self._window(position, end, cut=end < total)

    def transcript(self) -> Transcript:
        return Transcript(
            segments=tuple(self.segments),
            duration=self._recording.seconds,
            language=self.language,
            task=self._wish.task,
        )

    def _window(self, start: float, end: float, *, cut: bool) -> Generator[Segment, None, float]:
        """Hear one window; return where the next begins."""
        before = len(self.segments)
        with closing(self._heard(start, end)) as heard:
            for segment in _whole(heard, cut):
                self.segments.append(segment)
                yield segment
        if cut and len(self.segments) > before:
            return max(self.position, start + _REST)
        return end

    def _heard(self, start: float, end: float) -> Generator[Segment, None, None]:
        timeout = _PATIENCE * (end - start) + 600
        wav = self._recording.wav(start, end)
        stream = hear(self._endpoint, wav, self._fields(), timeout=timeout, check=self._check)
        with closing(stream):
            for heard in stream:
                self.language = self.language or heard.language
                if heard.segment is not None:
                    yield heard.segment.later(start)

    def _fields(self) -> dict[str, str]:
        wish = self._wish
        spoken = " ".join(segment.text.strip() for segment in self.segments[-_MEMORY_WORDS:])
        prompt = " ".join(filter(None, [wish.prompt, *spoken.split()[-_MEMORY_WORDS:]]))
        fields = {"temperature": str(wish.temperature), "task": wish.task, "prompt": prompt}
        fields["language"] = self.language or ""
        fields["timestamp_granularities[]"] = "word" if wish.word_timestamps else "segment"
        return {name: value for name, value in fields.items() if value}


def _whole(segments: Iterator[Segment], cut: bool) -> Iterator[Segment]:
    """All segments of a window; of one cut out of the recording all but the last, unless it is the only one.

    The last one may be half a sentence: it is heard again, whole, at the start of the next window.
    """
    held = next(segments, None)
    alone = True
    for segment in segments:
        if held is not None:
            yield held
        held, alone = segment, False
    if held is not None and (alone or not cut):
        yield held
