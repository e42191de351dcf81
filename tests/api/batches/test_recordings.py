"""Batches of recordings, as they are read and handed to the fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared import keys
from tests.api.batches.test_batches import errors, until
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.recordings import tone

_HEAR, _TRANSLATE = "/v1/audio/transcriptions", "/v1/audio/translations"


def line(custom_id: str, file: str | None, **more: Any) -> dict[str, Any]:
    body = {"model": "echo", **({"file": file} if file is not None else {}), **more}
    return {"custom_id": custom_id, "method": "POST", "body": body}


def sent(door: Served, name: str, content: bytes, headers: dict[str, str] | None = None) -> str:
    answer = door.client.post("/v1/files", files={"file": (name, content)}, headers=headers or {})
    return str(answer.json()["id"])


def create(door: Served, lines: list[dict[str, Any]], endpoint: str = _HEAR, **more: Any) -> dict[str, Any]:
    text = "".join(json.dumps(each) + "\n" for each in lines).encode()
    wanted = {"input_file_id": sent(door, "in.jsonl", text, more.get("headers")), "endpoint": endpoint}
    answer = door.post("/v1/batches", wanted, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
def recording(door: Served, fleet: Fleet, tmp_path: Path) -> str:
    tone(tmp_path / "hum.wav", 2)
    return sent(door, "hum.wav", (tmp_path / "hum.wav").read_bytes())


def test_lines_become_jobs_that_hear_each_recording_as_it_is_asked(door: Served, recording: str) -> None:
    lines = [
        line("plain", recording),
        line("words", recording, language="German", response_format="verbose_json", stream=True, temperature=0.2,
             timestamp_granularities=["word", "segment"]),
    ]  # fmt: skip
    begun = until(door, create(door, lines), "in_progress")
    jobs = [door.get(f"/v1/jobs/{job}").json() for job in begun["job_ids"]]
    assert [(job["kind"], job["priority"], job["params"]["files"]) for job in jobs] == [
        ("transcriptions", "batch", [recording])
    ] * 2
    assert [job["params"]["wishes"] for job in jobs] == [
        [{"task": "transcribe", "word_timestamps": False}],
        [{"task": "transcribe", "language": "de", "temperature": 0.2, "word_timestamps": True}],
    ]


def test_translations_are_asked_for_as_such(door: Served, recording: str) -> None:
    begun = until(door, create(door, [line("a", recording)], _TRANSLATE), "in_progress")
    [job] = [door.get(f"/v1/jobs/{job}").json() for job in begun["job_ids"]]
    assert job["params"]["wishes"] == [{"task": "translate", "word_timestamps": False}]


def test_many_recordings_become_parts_that_a_fleet_can_share(door: Served, recording: str) -> None:
    begun = until(door, create(door, [line(str(n), recording) for n in range(40)]), "in_progress")
    assert (len(begun["job_ids"]), begun["request_counts"]["total"]) == (14, 40)


def test_lines_that_cannot_be_heard_are_told_why(door: Served, recording: str) -> None:
    lines = [
        line("none", None),
        line("gone", "file_nowhere"),
        line("odd", recording, response_format="mp3"),
        line("tongue", recording, language="klingon"),
    ]
    failed = until(door, create(door, lines), "failed")
    assert [each["line"] for each in failed["errors"]["data"]] == [1, 2, 3, 4]
    said = [each["message"] for each in failed["errors"]["data"]]
    assert "POST /v1/files" in said[0]
    assert "file_nowhere" in said[1]
    assert "response_format" in said[2]
    assert "language" in said[3]


def test_a_recording_of_another_key_is_not_there(door: Served, recording: str) -> None:
    with door.database.write() as session:
        mine, theirs = (
            {"Authorization": f"Bearer {keys.create(session, name, 'submit')[1]}"} for name in ("mine", "theirs")
        )
    hidden = sent(door, "secret.wav", b"RIFF", theirs)
    own = sent(door, "own.wav", b"RIFF", mine)
    batch = create(door, [line("own", own), line("theirs", hidden)], headers=mine)
    begun = until(door, batch, "in_progress")
    [job] = [door.get(f"/v1/jobs/{job}").json() for job in begun["job_ids"]]
    assert job["params"]["files"] == [own]
    door.post(f"/v1/batches/{begun['id']}/cancel", headers=mine)
    ended = until(door, begun, "cancelled")
    told = {each["custom_id"]: each for each in errors(door, ended)}
    assert told["theirs"]["response"]["status_code"] == 404
    assert told["own"]["error"]["code"] == "batch_cancelled"
