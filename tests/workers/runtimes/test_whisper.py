"""The Whisper endpoint, on real speech."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared.sse import read_events
from tests.models import whisper_tiny
from tests.runs import running
from tests.speech import AUDIO
from workers.process import RunProcess

pytestmark = [pytest.mark.e2e, pytest.mark.model]


@pytest.fixture(scope="module")
def whisper() -> Iterator[RunProcess]:
    with running("whisper", whisper_tiny()) as process:
        yield process


def hear(process: RunProcess, fields: dict[str, Any], audio: bytes | None = None) -> httpx2.Response:
    return httpx2.post(
        f"{process.endpoint.url}/v1/audio/transcriptions",
        files={"file": AUDIO.read_bytes() if audio is None else audio},
        data=fields,
        timeout=500,
    )


def test_segments_are_streamed_with_words_and_end_with_language_and_duration(whisper: RunProcess) -> None:
    answer = hear(whisper, {"stream": "true", "timestamp_granularities[]": "word"})
    *segments, done = [json.loads(event.data) for event in read_events([answer.content]) if event.data != "[DONE]"]
    assert {segment["type"] for segment in segments} == {"transcript.segment"}
    assert [segment["id"] for segment in segments] == list(range(len(segments)))
    assert all(segment["words"][0]["start"] >= segment["start"] - 0.5 for segment in segments)
    starts = [segment["start"] for segment in segments]
    assert starts == sorted(starts)
    assert done["type"] == "transcript.text.done"
    assert done["language"] == "en"
    assert done["duration"] == pytest.approx(44.374, abs=0.01)
    assert done["text"].startswith("It was the best of times")
    assert all(segment["tokens"] for segment in segments)
    assert [each["usage"]["seconds"] for each in (segments[-1], done)] == [segments[-1]["end"], done["duration"]]


def test_the_text_is_what_the_library_says_itself(whisper: RunProcess) -> None:
    faster_whisper = pytest.importorskip("faster_whisper")
    raw, _ = faster_whisper.WhisperModel(whisper_tiny().path, device="cpu").transcribe(str(AUDIO))
    assert hear(whisper, {}).json()["text"] == " ".join(segment.text.strip() for segment in raw)


def test_it_begins_where_it_is_told_and_its_times_are_those_of_the_whole(whisper: RunProcess) -> None:
    answer = hear(whisper, {"response_format": "verbose_json", "offset": "20", "clip": "10"}).json()
    assert answer["duration"] == pytest.approx(44.374, abs=0.01)
    assert answer["segments"][0]["start"] >= 20
    assert answer["segments"][-1]["end"] <= 30.5
    assert "before us" in answer["text"]


@pytest.mark.parametrize(("form", "head"), [("text", "It was"), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0")])
def test_every_text_format_is_plain_text(whisper: RunProcess, form: str, head: str) -> None:
    assert hear(whisper, {"response_format": form, "clip": "5"}).text.startswith(head)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"response_format": "mp3"}, "response_format"),
        ({"temperature": "hot"}, "temperature"),
        ({"task": "sing"}, "task"),
        ({"offset": "-1"}, "offset"),
        ({"language": "klingon"}, "language"),
    ],
)
def test_a_wrong_field_is_named(whisper: RunProcess, fields: dict[str, str], word: str) -> None:
    answer = hear(whisper, fields)
    assert answer.status_code == 400
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize("audio", [b"", b"this is not a recording" * 100])
def test_what_is_no_audio_is_refused(whisper: RunProcess, audio: bytes) -> None:
    answer = hear(whisper, {}, audio)
    assert answer.status_code == 400
    assert "audio" in answer.json()["error"]["message"]
