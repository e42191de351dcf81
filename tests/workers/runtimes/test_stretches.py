"""Long recordings: each word is heard once and at its time, however they are cut."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.subtitles import Segment
from tests.models import whisper_tiny
from tests.speech import AUDIO, TEXT, word_error_rate
from workers.runtimes.boot.pcm import RATE, Recording, Samples
from workers.runtimes.boot.stretches import StretchedHearing, Told
from workers.runtimes.boot.transcription import Ask, BadAudio


def recording(seconds: float) -> Recording:
    """Silence, but for the number of each second as the sample that begins it."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(RATE)
        count = int(seconds * RATE)
        samples = bytearray(2 * count)
        for second in range(int(seconds)):
            samples[2 * second * RATE : 2 * second * RATE + 2] = (second + 1).to_bytes(2, "little")
        written.writeframes(bytes(samples[: 2 * count]))
    buffer.seek(0)
    return Recording(buffer)


class Listener:
    """Hears the numbers: those of some seconds make a segment."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.told: list[Told] = []
        self.longest = 0

    def __call__(self, samples: Samples, told: Told) -> tuple[str, Iterator[Segment]]:
        self.told.append(told)
        self.longest = max(self.longest, len(samples))
        return "de", self._segments(samples)

    def _segments(self, samples: Samples) -> Iterator[Segment]:
        marks = [(place, round(float(samples[place]) * 32768)) for place in range(len(samples)) if samples[place]]
        for first in range(0, len(marks), self._seconds):
            group = marks[first : first + self._seconds]
            end = min(group[-1][0] + RATE, len(samples)) / RATE
            yield Segment(start=group[0][0] / RATE, end=end, text=" ".join(str(mark) for _, mark in group))


@settings(max_examples=40)
@given(seconds=st.integers(1, 40), each=st.integers(1, 7), stretch=st.integers(8, 15))
def test_every_word_is_heard_once_and_at_its_time(seconds: int, each: int, stretch: int) -> None:
    listener = Listener(each)
    hearing = StretchedHearing(listener, recording(seconds), Ask(), stretch)
    segments = list(hearing.segments())
    assert " ".join(segment.text for segment in segments).split() == [str(n + 1) for n in range(seconds)]
    assert all(segment.start == int(segment.text.split()[0]) - 1 for segment in segments)
    assert listener.longest <= stretch * RATE
    assert (hearing.language, hearing.duration) == ("de", seconds)


def test_a_stretch_is_told_what_was_said_before_and_in_which_language() -> None:
    listener = Listener(1)
    list(StretchedHearing(listener, recording(12), Ask(prompt="Cidermill"), 10).segments())
    first, second = listener.told
    assert (first.prompt, first.language) == ("Cidermill", None)
    assert (second.prompt, second.language) == ("Cidermill 1 2 3 4 5 6 7 8 9", "de")


def test_only_the_part_that_was_asked_for_is_heard() -> None:
    hearing = StretchedHearing(Listener(1), recording(30), Ask(offset=5, clip=10), 8)
    assert [segment.text for segment in hearing.segments()] == [str(number) for number in range(6, 16)]


def test_what_follows_the_last_words_is_not_heard_again() -> None:
    class Early(Listener):
        def _segments(self, samples: Samples) -> Iterator[Segment]:
            yield Segment(start=0, end=2, text="1 2")

    listener = Early(1)
    list(StretchedHearing(listener, recording(6), Ask(), 8).segments())
    assert len(listener.told) == 1


@pytest.mark.parametrize("audio", [b"", b"this is not a recording" * 100])
def test_what_is_no_audio_is_told(audio: bytes) -> None:
    with pytest.raises(BadAudio):
        Recording(io.BytesIO(audio))


@pytest.mark.e2e
@pytest.mark.model
def test_real_speech_that_is_cut_stays_whole() -> None:
    pytest.importorskip("faster_whisper")
    from workers.runtimes.boot.whisper_ctranslate2 import FasterWhisper

    options = {"model": whisper_tiny().path, "beam_size": 1, "vad": False, "compute_type": "default"}
    model = FasterWhisper(options | {"threads": 1, "slots": 1})
    with Path(AUDIO).open("rb") as file:
        segments = list(StretchedHearing(model.listen, Recording(file), Ask(words=True), 16.0).segments())
    assert word_error_rate(TEXT, " ".join(segment.text for segment in segments)) <= 0.05
    starts = [word.start for segment in segments for word in segment.words]
    assert starts == sorted(starts)
