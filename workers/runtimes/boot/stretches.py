"""Long recordings, heard one stretch after the other: what an engine holds in memory is the same for any length.

As Whisper itself does with its windows, a stretch that was cut ends with its last whole segment, and the next begins
there, told what was said before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from shared.subtitles import Segment
from workers.runtimes.boot.pcm import Recording, Samples
from workers.runtimes.boot.transcription import Ask

#: Seconds heard at once: four of Whisper's windows, of which spectrograms are made before it hears the first.
STRETCH = 120.0
#: Seconds at the end that hold no speech worth asking for; Whisper invents words for them.
_REST = 0.1
#: Characters of what was said before that the next stretch is told; Whisper keeps about 200 tokens.
_MEMORY = 600


@dataclass(frozen=True, slots=True)
class Told:
    """What an engine is told of a stretch."""

    task: str
    words: bool
    temperature: float | None
    #: `None`: to be found out.
    language: str | None
    #: What was said before, or the words to expect.
    prompt: str | None


#: Hears a stretch: gives its language, and its segments with their times from its start, each as soon as it can.
Listen = Callable[[Samples, Told], tuple[str | None, Iterator[Segment]]]


class StretchedHearing:
    """A recording under way; it is closed when it was heard to its end, or nobody wants to hear more."""

    def __init__(self, listen: Listen, recording: Recording, ask: Ask, stretch: float = STRETCH) -> None:
        self.language = ask.language
        self.duration = recording.seconds
        self._listen = listen
        self._recording = recording
        self._ask = ask
        self._stretch = stretch
        self._said = ask.prompt or ""

    def segments(self) -> Iterator[Segment]:
        """Times are from the start of the recording."""
        position = self._ask.offset
        end = self.duration if self._ask.clip is None else min(position + self._ask.clip, self.duration)
        with closing(self._recording):
            while end - position > _REST:
                stop = min(position + self._stretch, end)
                reached = stop
                for segment in _whole(self._heard(position, stop), cut=stop < end):
                    self._said = f"{self._said} {segment.text.strip()}"[-_MEMORY:]
                    reached = segment.end
                    yield segment
                # What follows the last words of the recording is silence.
                position = min(max(reached, position + 1), stop) if stop < end else stop

    def _heard(self, start: float, stop: float) -> Iterator[Segment]:
        ask = self._ask
        told = Told(ask.task, ask.words, ask.temperature, self.language, self._said.strip() or None)
        language, segments = self._listen(self._recording.part(start, stop), told)
        self.language = self.language or language
        return (segment.later(start) for segment in segments)


def _whole(segments: Iterator[Segment], *, cut: bool) -> Iterator[Segment]:
    """All segments; of a stretch that was cut not the last, which may be half a sentence, unless it is the only one."""
    if not cut:
        yield from segments
        return
    held, alone = next(segments, None), True
    for segment in segments:
        if held is not None:
            yield held
        held, alone = segment, False
    if held is not None and alone:
        yield held
