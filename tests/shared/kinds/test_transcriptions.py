"""Many recordings in one job, on echo runs that hear how long each is."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.errors import InvalidInput, NotFound, RunDied
from shared.kinds.transcriptions import Transcriptions
from shared.listening import Wish
from shared.vocabulary import Capability
from tests import speech
from tests.kinds import LocalCatalog, LocalContext, LocalItems
from tests.recordings import tone
from tests.runs import running
from tests.shared.kinds.test_transcription import WHISPER
from workers.process import RunProcess


@pytest.fixture(scope="module")
def echo() -> Iterator[RunProcess]:
    with running("echo", slots=4) as process:
        yield process


def lines(folder: Path, data: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / data["output_file"]).read_text().splitlines()]


def test_every_recording_has_a_line_in_order_with_its_own_transcript(tmp_path: Path, echo: RunProcess) -> None:
    files = [tone(tmp_path / f"{n}.wav", n) for n in (7, 3, 12)]
    context = LocalContext(tmp_path, echo.endpoint)
    data = Transcriptions(model="m", files=files).run(context).data
    told = lines(tmp_path, data)
    assert [line["file"] for line in told] == files
    assert [line["usage"] for line in told] == [{"type": "duration", "seconds": n} for n in (7, 3, 12)]
    assert [len(line["response"]["segments"]) for line in told] == [2, 1, 3]
    assert all(line["response"]["text"] for line in told)
    assert (data["items"], data["succeeded"], data["failed"], data["duration"]) == (3, 3, 0, 22)
    assert context.progresses[-1][:3] == (3, 3, "items")


def test_each_recording_may_be_heard_in_its_own_way(tmp_path: Path, echo: RunProcess) -> None:
    files = [tone(tmp_path / f"{n}.wav", 2) for n in range(2)]
    wishes = [Wish(language="de"), Wish(task="translate", word_timestamps=False)]
    data = Transcriptions(model="m", files=files, wishes=wishes).run(LocalContext(tmp_path, echo.endpoint)).data
    first, second = (line["response"] for line in lines(tmp_path, data))
    assert (first["language"], first["task"], second["task"]) == ("de", "transcribe", "translate")
    assert first["segments"][0]["words"]
    assert not second["segments"][0].get("words")


def test_what_cannot_be_heard_is_an_error_of_its_own(tmp_path: Path, echo: RunProcess) -> None:
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 64)
    files = ["gone.wav", tone(tmp_path / "hum.wav", 3), "noise.mp3"]
    data = Transcriptions(model="m", files=files).run(LocalContext(tmp_path, echo.endpoint)).data
    gone, hum, noise = lines(tmp_path, data)
    assert (data["succeeded"], data["failed"]) == (1, 2)
    assert "no file" in gone["error"]["what"]
    assert "not a recording" in noise["error"]["what"]
    assert "error" not in hum


def test_a_job_whose_every_recording_fails_fails(tmp_path: Path, echo: RunProcess) -> None:
    with pytest.raises(InvalidInput, match="All 2 requests failed"):
        Transcriptions(model="m", files=["a", "b"]).run(LocalContext(tmp_path, echo.endpoint))


def test_a_second_attempt_hears_only_what_is_left(tmp_path: Path) -> None:
    # Two are heard at once; the others take a minute, however late the engine is killed.
    files = [tone(tmp_path / f"{n}.wav", 5 if n < 2 else 300) for n in range(6)]
    kind, items = Transcriptions(model="m", files=files), LocalItems()
    with running("echo", itl_ms=1_000) as doomed, ThreadPoolExecutor() as pool:
        attempt = pool.submit(kind.run, LocalContext(tmp_path, doomed.endpoint, items))
        items.wait_for(2)
        os.kill(doomed.pid, signal.SIGKILL)
        with pytest.raises(RunDied):
            attempt.result(60)
    survived = len(items.done)
    assert 2 <= survived < 6
    with running("echo") as fresh:
        data = kind.run(LocalContext(tmp_path, fresh.endpoint, items, attempt=2)).data
    attempts = [line["attempt"] for line in lines(tmp_path, data)]
    assert (len(attempts), attempts.count(1)) == (6, survived)


def test_it_demands_a_slot_for_each_recording() -> None:
    kind = Transcriptions(model="m", files=["a", "b"])
    demand = kind.demand(LocalCatalog(files={"a": 1, "b": 1}))
    assert (demand.capability, demand.model, demand.slots) == (Capability.TRANSCRIBE, "m", 2)
    with pytest.raises(NotFound):
        kind.demand(LocalCatalog(files={"a": 1}))


def test_wishes_that_fit_no_file_are_refused() -> None:
    with pytest.raises(ValidationError, match="one for each of 3 files, not 2"):
        Transcriptions(model="m", files=["a", "b", "c"], wishes=[Wish(), Wish()])


@pytest.mark.model
def test_real_speech_is_heard_right_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "speech.wav").symlink_to(speech.AUDIO)
    files = ["speech.wav", tone(tmp_path / "mute.wav", 1, loudness=0), "speech.wav"]
    with running("whisper", WHISPER, slots=2) as process:
        data = Transcriptions(model="m", files=files).run(LocalContext(tmp_path, process.endpoint)).data
    first, mute, last = lines(tmp_path, data)
    for line in (first, last):
        assert speech.word_error_rate(speech.TEXT, line["response"]["text"]) <= 0.05
    assert "is silent" in mute["error"]["what"]
    assert data["duration"] == pytest.approx(2 * 44.374, abs=0.02)
