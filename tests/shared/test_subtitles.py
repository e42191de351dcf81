"""Transcripts in every format, read back."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.subtitles import Segment, Transcript, TranscriptFormat, Word, clock, render

texts = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40).filter(str.strip)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Segments one after the other, with gaps."""
    now, segments = 0.0, []
    for text in draw(st.lists(texts, max_size=8)):
        start = now + draw(st.floats(0, 4000))
        now = start + draw(st.floats(0.001, 30))
        segments.append(Segment(start=start, end=now, text=f" {text}"))
    return Transcript(segments=tuple(segments), duration=now + 1, language="en")


def seconds(text: str) -> float:
    hours, minutes, rest = re.split(r":", text.replace(",", "."))
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def cues(content: str) -> list[tuple[float, float, str]]:
    """Start, end and text of each cue of SRT or WebVTT."""
    found = re.findall(r"^(\S+) --> (\S+)\n(.*)$", content, re.MULTILINE)
    return [(seconds(start), seconds(end), text) for start, end, text in found]


@pytest.mark.parametrize("form", [TranscriptFormat.SRT, TranscriptFormat.VTT])
@given(transcript=transcripts())
def test_cues_come_back_with_their_times_and_words(form: TranscriptFormat, transcript: Transcript) -> None:
    found = cues(render(transcript, form))
    assert len(found) == len(transcript.segments)
    for (start, end, text), segment in zip(found, transcript.segments, strict=True):
        assert start == pytest.approx(segment.start, abs=0.0006)
        assert end == pytest.approx(segment.end, abs=0.0006)
        if form is TranscriptFormat.VTT:
            text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert text == " ".join(segment.text.split())


@given(transcript=transcripts())
def test_times_never_run_backwards(transcript: Transcript) -> None:
    times = [time for start, end, _ in cues(render(transcript, TranscriptFormat.SRT)) for time in (start, end)]
    assert times == sorted(times)


@given(transcript=transcripts())
def test_verbose_json_comes_back_whole(transcript: Transcript) -> None:
    read = json.loads(render(transcript, TranscriptFormat.VERBOSE_JSON))
    assert tuple(Segment.model_validate(one) for one in read["segments"]) == transcript.segments
    assert (read["text"], read["duration"], read["language"]) == (transcript.text, transcript.duration, "en")
    assert json.loads(render(transcript, TranscriptFormat.JSON)) == {"text": transcript.text}
    assert render(transcript, TranscriptFormat.TEXT) == transcript.text + "\n"


def test_srt_is_numbered_and_has_commas() -> None:
    transcript = Transcript(
        segments=(Segment(start=0, end=1.5, text=" Hi."), Segment(start=2, end=3, text=" Bye.")), duration=3
    )
    assert render(transcript, TranscriptFormat.SRT) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHi.\n\n2\n00:00:02,000 --> 00:00:03,000\nBye.\n"
    )


def test_vtt_has_a_head_and_dots() -> None:
    transcript = Transcript(segments=(Segment(start=0, end=1.5, text=" a < b"),), duration=3)
    assert render(transcript, TranscriptFormat.VTT) == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na &lt; b\n"


def test_a_clock_carries_over() -> None:
    assert clock(3599.9996, ",") == "01:00:00,000"
    assert clock(3661.5, ".") == "01:01:01.500"
    assert clock(-1, ".") == "00:00:00.000"


def test_a_segment_moves_with_its_words() -> None:
    moved = Segment(start=1, end=2, text="x", words=(Word(word="x", start=1, end=1.5),)).later(10)
    assert (moved.start, moved.end, moved.words[0].start, moved.words[0].end) == (11, 12, 11, 11.5)
