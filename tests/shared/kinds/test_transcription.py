"""The transcription kind, on echo runs that hear how long a recording is, and on a real Whisper."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import pytest
from pydantic import ValidationError

from shared.errors import Cancelled, InvalidInput, RunDied
from shared.kinds.transcription import Transcription
from shared.runtimes import InstalledModel
from shared.units import Bytes
from shared.vocabulary import Capability, Format
from tests import speech
from tests.kinds import LocalCatalog, LocalContext, LocalItems
from tests.recordings import tone
from tests.runs import running
from workers.process import RunProcess

WHISPER = InstalledModel(
    id="mdl_whisper",
    name="whisper-tiny.en",
    format=Format.CTRANSLATE2,
    path=str(speech.MODEL),
    size=Bytes(77_000_000),
    capabilities=(Capability.TRANSCRIBE,),
)


def video(path: Path) -> str:
    """A second of black, with no sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode())
    return path.name


@pytest.fixture(scope="module")
def echo() -> Iterator[RunProcess]:
    with running("echo", slots=4) as process:
        yield process


def test_a_recording_becomes_every_format(tmp_path: Path, echo: RunProcess) -> None:
    context = LocalContext(tmp_path, echo.endpoint)
    data = Transcription(model="m", file=tone(tmp_path / "hum.wav", 12.5)).run(context).data
    assert data["text"] == "Segment 0. Segment 1. Segment 2."
    assert (data["duration"], data["segments"], data["words"], data["language"]) == (12.5, 3, 6, "en")
    assert set(data["files"]) == {"json", "text", "srt", "vtt", "verbose_json"}
    with context.files.open(data["files"]["verbose_json"]) as file:
        verbose = json.load(file)
    assert [word["word"] for word in verbose["words"]] == ["Segment", "0.", "Segment", "1.", "Segment", "2."]
    with context.files.open(data["files"]["srt"]) as file:
        assert b"00:00:10,000 --> 00:00:12,500" in file.read()
    assert context.progresses[-1][:3] == (12.5, 12.5, "seconds")
    assert len(context.emitted) == 3


def test_only_the_wanted_formats_are_written(tmp_path: Path, echo: RunProcess) -> None:
    kind = Transcription.model_validate({"model": "m", "file": tone(tmp_path / "a.wav", 2), "formats": ["srt"]})
    assert list(kind.run(LocalContext(tmp_path, echo.endpoint)).data["files"]) == ["srt"]


def test_a_second_attempt_goes_on_after_the_last_finished_segment(tmp_path: Path) -> None:
    kind, items = Transcription(model="m", file=tone(tmp_path / "hum.wav", 52)), LocalItems()
    with running("echo", itl_ms=1_000) as doomed:
        items.then = lambda done: os.kill(doomed.pid, signal.SIGKILL) if done == 2 else None
        with pytest.raises(RunDied):
            kind.run(LocalContext(tmp_path, doomed.endpoint, items))
    survived = len(items.done)
    assert 2 <= survived < 11
    with running("echo") as fresh:
        context = LocalContext(tmp_path, fresh.endpoint, items, attempt=2)
        data = kind.run(context).data
    assert len(context.emitted) == 11 - survived
    spans = [(one["segment"]["start"], one["segment"]["end"]) for one in items.done.values()]
    assert spans == [(5.0 * n, min(5.0 * n + 5, 52)) for n in range(11)]
    assert data["segments"] == 11


def test_an_attempt_that_only_lacked_its_files_asks_nothing(tmp_path: Path, echo: RunProcess) -> None:
    kind, items = Transcription(model="m", file=tone(tmp_path / "hum.wav", 9)), LocalItems()
    first = kind.run(LocalContext(tmp_path, echo.endpoint, items)).data
    again = LocalContext(tmp_path, echo.endpoint, items, attempt=2)
    assert kind.run(again).data["text"] == first["text"]
    assert again.emitted == []


def test_long_audio_is_heard_in_windows_that_leave_nothing_out(
    tmp_path: Path, echo: RunProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.listening._WINDOW", 12.0)
    context = LocalContext(tmp_path, echo.endpoint)
    Transcription(model="m", file=tone(tmp_path / "hum.wav", 41)).run(context)
    spans = [(one["segment"]["start"], one["segment"]["end"]) for one in context.items.done.values()]
    assert (spans[0][0], spans[-1][1]) == (0, 41)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(spans))
    # A window's last segment is cut by its end and heard again: none is shorter than the engine makes them.
    assert all(end - start == 5 for start, end in spans[:-1])


def test_cancelling_takes_effect_while_the_engine_is_silent(tmp_path: Path) -> None:
    kind = Transcription(model="m", file=tone(tmp_path / "hum.wav", 300))
    with running("echo", itl_ms=3_000) as process, ThreadPoolExecutor() as pool:
        context = LocalContext(tmp_path, process.endpoint)
        attempt = pool.submit(kind.run, context)
        assert context.spoke.wait(30)
        context.cancelled.set()
        with pytest.raises(Cancelled):
            attempt.result(60)


def test_a_file_that_is_no_recording_is_refused_with_the_cause(tmp_path: Path, echo: RunProcess) -> None:
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "empty.wav").write_bytes(b"")
    tone(tmp_path / "whole.wav", 1)
    (tmp_path / "head.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:44])
    cases = {
        "noise.mp3": "not a recording",
        "empty.wav": "not a recording",
        "head.wav": "not a recording",
        video(tmp_path / "film.mp4"): "has no audio",
        tone(tmp_path / "mute.wav", 2, loudness=0): "is silent",
    }
    for file, said in cases.items():
        with pytest.raises(InvalidInput, match=said) as refused:
            Transcription(model="m", file=file).run(LocalContext(tmp_path, echo.endpoint))
        assert refused.value.problem.why
        assert refused.value.problem.fix


def test_a_cut_off_recording_is_transcribed_as_far_as_it_goes(tmp_path: Path, echo: RunProcess) -> None:
    tone(tmp_path / "whole.wav", 10)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[: 44 + 4 * 44_100 * 6])
    data = Transcription(model="m", file="cut.wav").run(LocalContext(tmp_path, echo.endpoint)).data
    assert data["duration"] == pytest.approx(6, abs=0.1)


def test_a_path_is_refused_because_other_hosts_cannot_read_it() -> None:
    with pytest.raises(ValidationError, match="upload the recording"):
        Transcription.model_validate({"model": "m", "path": "/tmp/a.wav"})


def test_it_demands_one_slot_of_a_model_that_transcribes() -> None:
    demand = Transcription(model="m", file="f").demand(LocalCatalog(files={"f": 1}))
    assert (demand.capability, demand.model, demand.slots) == (Capability.TRANSCRIBE, "m", 1)


@pytest.mark.model
@pytest.mark.parametrize("window", [1800.0, 20.0])
def test_real_speech_is_heard_right(tmp_path: Path, window: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.listening._WINDOW", window)
    (tmp_path / "speech.wav").symlink_to(speech.AUDIO)
    with running("whisper", WHISPER) as process:
        data = Transcription(model="m", file="speech.wav").run(LocalContext(tmp_path, process.endpoint)).data
    assert speech.word_error_rate(speech.TEXT, data["text"]) <= 0.05
    assert data["duration"] == pytest.approx(44.374, abs=0.01)


@pytest.mark.model
def test_real_speech_goes_on_after_a_crash(tmp_path: Path) -> None:
    (tmp_path / "speech.wav").symlink_to(speech.AUDIO)
    kind, items = Transcription(model="m", file="speech.wav"), LocalItems()
    with running("whisper", WHISPER) as doomed:
        items.then = lambda done: os.kill(doomed.pid, signal.SIGKILL) if done == 2 else None
        with pytest.raises(RunDied):
            kind.run(LocalContext(tmp_path, doomed.endpoint, items))
    with running("whisper", WHISPER) as fresh:
        data = kind.run(LocalContext(tmp_path, fresh.endpoint, items, attempt=2)).data
    assert speech.word_error_rate(speech.TEXT, data["text"]) <= 0.05
