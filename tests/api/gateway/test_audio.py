"""Transcriptions and translations through the front door, heard by a real engine that hears only how long a WAV is."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx2
import pytest

from api.gateway.routing import Load
from shared import catalog, keys
from shared.protocol import InstallRecord
from shared.runs import service
from shared.runs.service import RunWish
from shared.runtimes import InstalledModel, RunSpec
from shared.units import Bytes
from shared.vocabulary import Capability, Format
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.ports import own_port
from tests.serving import serving
from tests.waiting import eventually
from workers.process import RunProcess
from workers.runtimes.echo import RUNTIME

_TRANSCRIBE, _TRANSLATE = "/v1/audio/transcriptions", "/v1/audio/translations"
_SERVED = InstalledModel(id="x", name="served-echo", format=Format.ECHO, path="", size=Bytes(0))
_ERROR = {"message", "type", "param", "code"}


def started(**params: Any) -> RunProcess:
    process = RunProcess.start(RUNTIME.plan(RunSpec(slots=1, params=params), _SERVED, own_port()))
    process.wait_ready(RUNTIME.diagnose)
    return process


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    process = started()
    yield process.endpoint.url
    process.stop()


@pytest.fixture
def slow() -> Iterator[RunProcess]:
    """A fifth of a second for each five of sound, and one slot."""
    process = started(latency_ms=200, itl_ms=200)
    yield process
    process.stop()


class Dying(BaseHTTPRequestHandler):
    """An engine that dies after the first thing that it has heard."""

    asked: ClassVar[int] = 0

    def do_POST(self) -> None:
        Dying.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        said = b'data: {"type": "transcript.segment", "start": 0, "end": 5, "text": "Segment 0."}\n\n'
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n" + said)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def dying() -> Iterator[str]:
    Dying.asked = 0
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Dying)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def listen(fleet: Fleet, url: str) -> None:
    """A ready run that hears."""
    with fleet.door.database.write() as session:
        run_id = service.start(session, RunWish("echo", Capability.TRANSCRIBE))
    fleet.make_ready(run_id, url)


def silence(seconds: float = 12) -> bytes:
    """A WAV of which the engine makes a segment each five seconds."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(8000)
        recording.writeframes(bytes(int(16000 * seconds)))
    return buffer.getvalue()


def ask(door: Served, path: str = _TRANSCRIBE, **fields: Any) -> httpx2.Response:
    """The fields of a form; `audio` is the recording."""
    headers = fields.pop("headers", {})
    files = {"file": ("a.wav", fields.pop("audio") if "audio" in fields else silence())}
    return door.client.post(path, data={"model": "echo"} | fields, files=files, headers=headers)


def events(answer: httpx2.Response) -> list[dict[str, Any]]:
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_a_recording_becomes_text(door: Served, fleet: Fleet, engine: str) -> None:
    listen(fleet, engine)
    answer = ask(door)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "text": "Segment 0. Segment 1. Segment 2.",
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 12.0},
    }


def test_every_field_of_verbose_json_is_there(door: Served, fleet: Fleet, engine: str) -> None:
    listen(fleet, engine)
    said = ask(door, response_format="verbose_json", language="German").json()
    assert (said["task"], said["language"], said["duration"]) == ("transcribe", "german", 12.0)
    assert "words" not in said
    assert said["segments"][1] == {
        "id": 1, "seek": 0, "start": 5.0, "end": 10.0, "text": "Segment 1.", "tokens": [],
        "avg_logprob": 0.0, "compression_ratio": 0.0, "no_speech_prob": 0.0, "temperature": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
def test_times_are_of_what_was_asked_for(door: Served, fleet: Fleet, engine: str, name: str) -> None:
    listen(fleet, engine)
    words = ask(door, response_format="verbose_json", **dict[str, Any]({name: "word"})).json()
    assert "segments" not in words
    assert words["words"][:2] == [
        {"word": "Segment", "start": 0.0, "end": 2.5},
        {"word": "0.", "start": 2.5, "end": 5.0},
    ]
    both = ask(door, response_format="verbose_json", **dict[str, Any]({name: ["word", "segment"]})).json()
    assert (len(both["words"]), len(both["segments"])) == (6, 3)


@pytest.mark.parametrize(
    ("form", "media_type", "head"),
    [
        ("text", "text/plain", "Segment 0. Segment 1. Segment 2.\n"),
        ("srt", "text/plain", "1\n00:00:00,000 --> 00:00:05,000\nSegment 0.\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\nSegment 0.\n"),
    ],
)
def test_text_formats_are_text(door: Served, fleet: Fleet, engine: str, form: str, media_type: str, head: str) -> None:
    listen(fleet, engine)
    answer = ask(door, response_format=form)
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert answer.text.startswith(head)


def test_a_stream_tells_each_segment_and_at_the_end_all(door: Served, fleet: Fleet, engine: str) -> None:
    listen(fleet, engine)
    answer = ask(door, stream="true", **{"include[]": "logprobs", "chunking_strategy": "auto"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events(answer)
    assert {delta["type"] for delta in deltas} == {"transcript.text.delta"}
    assert "".join(delta["delta"] for delta in deltas) == done["text"] == "Segment 0. Segment 1. Segment 2."
    assert done["type"] == "transcript.text.done"


def test_a_translation_is_english(door: Served, fleet: Fleet, engine: str) -> None:
    listen(fleet, engine)
    assert ask(door, _TRANSLATE).json()["text"].startswith("Segment 0.")
    said = ask(door, _TRANSLATE, response_format="verbose_json", language="de").json()
    assert (said["task"], said["language"]) == ("translate", "english")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "mp3"}, "response_format"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": "1.5"}, "temperature"),
        ({"temperature": "nan"}, "temperature"),
        ({"language": "klingon"}, "language"),
        ({"stream": "perhaps"}, "stream"),
        ({"timestamp_granularities[]": "letter"}, "timestamp_granularities"),
        ({"audio": b""}, "file"),
    ],
)
def test_a_wrong_field_is_named(door: Served, fields: dict[str, Any], param: str) -> None:
    answer = ask(door, **fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert set(answer.json()["error"]) == _ERROR


def test_what_is_missing_is_named(door: Served, fleet: Fleet) -> None:
    nothing = door.client.post(_TRANSCRIBE, data={"model": "echo"}, files={"other": b"x"})
    assert (nothing.status_code, nothing.json()["error"]["param"]) == (400, "file")
    text = door.client.post(_TRANSCRIBE, data={"model": "echo", "file": "x"}, files={"other": b"x"})
    assert (text.status_code, text.json()["error"]["param"]) == (400, "file")
    nameless = door.client.post(_TRANSCRIBE, files={"file": silence()})
    assert (nameless.status_code, nameless.json()["error"]["param"]) == (400, "model")
    unknown = ask(door, model="ecco")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert "echo" in unknown.json()["error"]["message"]


#: An encoding that there is, and that reads nothing.
_UNREADABLE = "multipart/form-data; boundary=y; charset=undefined"


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'{"model": "echo"}', "application/json"),
        (b"model=echo", "application/x-www-form-urlencoded"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=y"),
        (b"--y\r\nContent-Disposition: form-data\r\n\r\nx\r\n--y--\r\n", "multipart/form-data; boundary=y"),
        (b"", "multipart/form-data; boundary=y"),
        (b'--y\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--y--\r\n', _UNREADABLE),
    ],
)
def test_what_is_no_form_is_refused(door: Served, body: bytes, media_type: str) -> None:
    answer = door.client.post(_TRANSCRIBE, content=body, headers={"Content-Type": media_type})
    assert (answer.status_code, set(answer.json()["error"])) == (400, _ERROR)


def test_what_is_no_audio_is_refused(door: Served, fleet: Fleet, engine: str) -> None:
    listen(fleet, engine)
    for stream in ("false", "true"):
        answer = ask(door, audio=b"this is no recording", stream=stream)
        assert answer.status_code == 400
        assert "audio cannot be read" in answer.json()["error"]["message"]


def test_a_model_that_only_writes_hears_nothing(door: Served, fleet: Fleet) -> None:
    record = InstallRecord(
        provider="local", repo="/writer", format=Format.ECHO, path="/writer", size=Bytes(1), name="writer",
        capabilities=(Capability.GENERATE,),
    )  # fmt: skip
    with door.database.write() as session:
        catalog.register(session, "studio", [record])
    answer = ask(door, model="writer")
    assert answer.status_code == 400, answer.text
    assert "cannot transcribe" in answer.json()["error"]["message"]


def test_larger_than_the_limit_is_refused(open_door: Opener) -> None:
    door = open_door(upload_limit="1MiB")
    answer = ask(door, audio=bytes(2 * 1024 * 1024))
    assert (answer.status_code, set(answer.json()["error"])) == (413, _ERROR)


def test_a_large_recording_goes_through_the_agent_of_another_host(door: Served, mini: Fleet, engine: str) -> None:
    listen(mini, engine)
    audio = silence(1800)
    assert len(audio) > 20_000_000
    assert len(ask(door, audio=audio, response_format="verbose_json").json()["segments"]) == 360


def test_a_run_that_is_gone_is_replaced_and_hears_all(door: Served, fleet: Fleet, mini: Fleet, engine: str) -> None:
    listen(fleet, "http://127.0.0.1:1")
    listen(mini, engine)
    for stream in ("false", "true"):
        for _ in range(3):
            answer = ask(door, audio=silence(900), stream=stream)
            assert (answer.status_code, "Segment 179." in answer.text) == (200, True)


def test_half_a_transcript_of_a_run_that_died_is_not_told_twice(
    door: Served, fleet: Fleet, mini: Fleet, engine: str, dying: str
) -> None:
    listen(fleet, dying)
    listen(mini, engine)
    # The second has a request already, so that the first is asked first.
    [second] = [run["id"] for run in door.get("/v1/runs").json()["data"] if run["host"] == "mini"]
    door.app.state.seats._tenancy.loads[second] = Load(1)
    answer = ask(door)
    assert (answer.status_code, answer.json()["text"]) == (200, "Segment 0. Segment 1. Segment 2.")
    assert Dying.asked == 1


def test_a_run_is_started_for_a_recording(door: Served, fleet: Fleet, engine: str) -> None:
    with door.client.stream(
        "POST", _TRANSCRIBE, data={"model": "echo", "stream": "true"}, files={"file": silence()}
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": keep-alive"
        [run] = door.get("/v1/runs").json()["data"]
        fleet.make_ready(run["id"], engine)
        assert any("transcript.text.done" in line for line in lines)


def test_when_the_client_leaves_the_engine_stops(door: Served, fleet: Fleet, slow: RunProcess) -> None:
    listen(fleet, slow.endpoint.url)
    long: dict[str, Any] = {"data": {"model": "echo", "stream": "true"}, "files": {"file": silence(3600)}}
    with door.client.stream("POST", _TRANSCRIBE, **long) as answer:
        next(answer.iter_lines())
    patience = httpx2.Timeout(60, read=1)
    with pytest.raises(httpx2.ReadTimeout):
        door.client.post(_TRANSCRIBE, data={"model": "echo"}, files={"file": silence(3600)}, timeout=patience)
    # Its only slot is free again: the two long recordings were given up.
    assert ask(door, audio=silence(4)).status_code == 200


def test_what_was_heard_is_counted(door: Served, fleet: Fleet, slow: RunProcess) -> None:
    listen(fleet, slow.endpoint.url)
    with door.database.write() as session:
        key = {"Authorization": f"Bearer {keys.create(session, 'ci', 'submit')[1]}"}

    def heard() -> tuple[int, int, float]:
        [row] = door.get("/v1/usage", headers=key).json()["data"]
        return row["requests"], row["completion"], row["audio"]

    assert ask(door, headers=key).status_code == 200
    assert ask(door, headers=key, stream="true").status_code == 200
    assert heard() == (2, 0, 24.0)
    # A stream that its client leaves is counted as far as it came.
    long: dict[str, Any] = {"data": {"model": "echo", "stream": "true"}, "files": {"file": silence(3600)}}
    with door.client.stream("POST", _TRANSCRIBE, headers=key, **long) as answer:
        assert any("Segment 0." in line for line in answer.iter_lines())
    eventually(lambda: heard()[0] == 3)
    _, tokens, seconds = heard()
    assert tokens == 0
    assert 29.0 <= seconds < 3600.0
