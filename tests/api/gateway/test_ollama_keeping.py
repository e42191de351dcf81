"""What Ollama's clients copy, make and delete."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.bodies import FORM
from api.gate import BODY_LIMIT
from api.gateway.ollama import blobs, following
from shared import catalog
from shared.errors import Unavailable
from shared.protocol import AttemptRef, InstallRecord
from shared.tables import File, Job
from shared.vocabulary import Capability, Format, Provider
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.waiting import eventually

_BYTES = b"GGUF and more"
_DIGEST = f"sha256:{hashlib.sha256(_BYTES).hexdigest()}"


def record(name: str, path: str, provider: Provider = Provider.LOCAL) -> InstallRecord:
    return InstallRecord(
        provider=provider, repo=path, file=None, revision=None, name=name, format=Format.GGUF, path=path, size=1,
        capabilities=[Capability.GENERATE],
    )  # fmt: skip


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers there, at once."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")


@pytest.fixture
def tiny(door: Served, fleet: Fleet) -> str:
    with door.database.write() as session:
        catalog.register(session, fleet.host, [record("tiny", "/models/tiny.gguf")])
    return "tiny"


def names(door: Served) -> list[str]:
    return [model["name"] for model in door.get("/api/tags").json()["models"]]


def delete(door: Served, **body: str) -> httpx2.Response:
    return door.client.request("DELETE", "/api/delete", json=body)


def lines(answer: httpx2.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def unprepared(*_: Any, **__: Any) -> None:
    raise Unavailable("The database is away", "it does not answer", "try again")


def followed(
    door: Served, fleet: Fleet, ask: Callable[[], httpx2.Response], told: Callable[[AttemptRef, Job], None]
) -> httpx2.Response:
    """The answer of a request that follows a job, which `told` brings to its end."""
    got: list[httpx2.Response] = []
    thread = threading.Thread(target=lambda: got.append(ask()))
    thread.start()
    eventually(lambda: door.get("/v1/jobs").json()["data"])
    job_id = door.get("/v1/jobs").json()["data"][0]["id"]
    ref = fleet.assign(job_id, None, "store")
    fleet.claim(ref)
    with door.database.read() as session:
        job = session.get_one(Job, job_id)
    told(ref, job)
    thread.join()
    return got[0]


def test_a_copy_is_another_name_that_outlives_the_first(door: Served, tiny: str) -> None:
    assert door.post("/api/copy", {"source": "tiny:latest", "destination": "mine:latest"}).status_code == 200
    assert names(door) == ["echo:latest", "mine:latest", "tiny:latest"]
    assert delete(door, model="tiny").status_code == 200
    assert names(door) == ["echo:latest", "mine:latest"]
    assert delete(door, name="mine").status_code == 200
    assert names(door) == ["echo:latest"]
    gone = delete(door, model="mine")
    assert (gone.status_code, gone.json()["error"][:22]) == (404, "model 'mine' not found")


def test_deleting_an_alias_leaves_the_model(door: Served, tiny: str) -> None:
    door.post("/api/copy", {"source": "tiny", "destination": "mine"})
    assert delete(door, model="mine").status_code == 200
    assert names(door) == ["echo:latest", "tiny:latest"]


def test_a_model_from_another_has_defaults_of_its_own(door: Served, tiny: str) -> None:
    made = {"model": "brief", "from": "tiny", "system": "Be brief.", "parameters": {"temperature": 0, "num_ctx": 512}}
    answer = door.post("/api/create", made)
    assert lines(answer)[-1] == {"status": "success"}
    [alias] = door.get("/v1/models/aliases").json()["data"]
    assert (alias["system"], alias["context"], alias["parameters"]) == ("Be brief.", 512, {"temperature": 0})
    assert door.post("/api/create", {**made, "stream": False}).json() == {"status": "success"}


def test_a_talk_is_saved_as_a_model_that_goes_on_from_there(door: Served, tiny: str) -> None:
    talk = [{"role": "user", "content": "I am Ann."}, {"role": "assistant", "content": "Hello, Ann."}]
    assert door.post("/api/create", {"model": "talk", "from": "tiny", "messages": talk}).status_code == 200
    shown = door.post("/api/show", {"model": "talk"}).json()
    assert shown["messages"] == talk
    assert shown["modelfile"].endswith('MESSAGE user """I am Ann."""\nMESSAGE assistant """Hello, Ann."""\n')
    assert shown["parameters"] == ""
    [alias] = door.get("/v1/models/aliases").json()["data"]
    assert (alias["messages"], alias["parameters"]) == (talk, {})


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"from": "tiny", "messages": [{"content": "who?"}]},
        {"from": "tiny", "quantize": "q4"},
        {"files": {"a.bin": _DIGEST}},
        {"from": "tiny", "parameters": {"num_ctx": 1}},
    ],
)
def test_what_cannot_be_made_is_refused(door: Served, tiny: str, more: dict[str, Any]) -> None:
    answer = door.post("/api/create", {"model": "x", **more})
    assert (answer.status_code, set(answer.json())) == (400, {"error"})


def test_a_blob_is_kept_under_its_checksum_only(door: Served) -> None:
    path = f"/api/blobs/{_DIGEST}"
    assert door.client.head(path).status_code == 404
    assert door.client.post(path, content=_BYTES + b"!").status_code == 400
    assert door.client.head(path).status_code == 404
    for _ in range(2):
        assert door.client.post(path, content=_BYTES).status_code == 201
    assert door.client.head(path).status_code == 200
    assert door.client.post("/api/blobs/sha256:no", content=b"").status_code == 400
    assert len(door.get("/v1/files").json()["data"]) == 1


def test_a_blob_may_be_larger_than_any_other_body(door: Served) -> None:
    content = bytes(BODY_LIMIT + FORM + 1)
    path = f"/api/blobs/sha256:{hashlib.sha256(content).hexdigest()}"
    assert door.client.post(path, content=content).status_code == 201


def test_a_model_is_made_of_a_blob_and_its_file_goes_with_it(door: Served, fleet: Fleet, tmp_path: Path) -> None:
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    made = {"model": "mine", "files": {"mine.gguf": _DIGEST}, "system": "Be brief."}
    path = tmp_path / "data" / "created" / "mine-weights.gguf"

    def finish(ref: AttemptRef, job: Job) -> None:
        assert job.params == {"model": f"local:{path}", "display_name": "mine-weights", "host": "studio"}
        fleet.finish(ref, result={}, installs=[record("mine-weights", str(path)).model_dump(mode="json")])

    answer = followed(door, fleet, lambda: door.post("/api/create", made), finish)
    assert lines(answer)[-1] == {"status": "success"}, answer.text
    assert path.read_bytes() == _BYTES
    assert names(door) == ["echo:latest", "mine-weights:latest", "mine:latest"]
    assert door.client.head(f"/api/blobs/{_DIGEST}").status_code == 404
    delete(door, model="mine")
    assert not path.exists()
    assert names(door) == ["echo:latest"]


def test_a_model_is_made_whole_also_for_a_client_that_left(door: Served, fleet: Fleet, tmp_path: Path) -> None:
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    made = {"model": "mine", "files": {"mine.gguf": _DIGEST}, "system": "Be brief."}

    def leave() -> httpx2.Response:
        with door.client.stream("POST", "/api/create", json=made) as answer:
            next(answer.iter_lines())
        return answer

    def finish(ref: AttemptRef, job: Job) -> None:
        path = str(job.params["model"]).removeprefix("local:")
        fleet.finish(ref, result={}, installs=[record("mine-weights", path).model_dump(mode="json")])

    leave()
    followed(door, fleet, lambda: door.get("/api/version"), finish)
    eventually(lambda: "mine:latest" in names(door))
    eventually(lambda: door.client.head(f"/api/blobs/{_DIGEST}").status_code == 404)


def test_of_a_model_that_cannot_be_made_no_file_stays(door: Served, fleet: Fleet, tmp_path: Path) -> None:
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    path = tmp_path / "data" / "created" / "mine.gguf"

    def fail(ref: AttemptRef, job: Job) -> None:
        assert path.exists()
        fleet.finish(ref, "failed", error={"code": "invalid_input", "what": "It is no GGUF file"})

    made = {"model": "mine", "files": {"mine.gguf": _DIGEST}}
    answer = followed(door, fleet, lambda: door.post("/api/create", made), fail)
    assert "error" in lines(answer)[-1]
    eventually(lambda: not path.exists())
    assert door.client.head(f"/api/blobs/{_DIGEST}").status_code == 200, "it may be sent again, or made something else"


def test_a_model_that_cannot_be_made_anew_stays_as_it_was(door: Served, fleet: Fleet, tmp_path: Path) -> None:
    other = b"no GGUF at all"
    digest = f"sha256:{hashlib.sha256(other).hexdigest()}"
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    door.client.post(f"/api/blobs/{digest}", content=other)
    path = tmp_path / "data" / "created" / "mine.gguf"
    with door.database.read() as session:
        blob, first = blobs.place(door.parts, session, _DIGEST, "mine")
    with door.database.write() as session:
        catalog.register(session, fleet.host, [record("mine", str(path))])

    def fail(ref: AttemptRef, job: Job) -> None:
        assert path.read_bytes() == other
        fleet.finish(ref, "failed", error={"code": "invalid_input", "what": "It is no GGUF file"})

    made = {"model": "mine", "files": {"mine.gguf": digest}}
    assert "error" in lines(followed(door, fleet, lambda: door.post("/api/create", made), fail))[-1]
    assert path.read_bytes() == _BYTES
    blobs.spend(door.parts, blob.id, first)
    assert [each.name for each in path.parent.iterdir()] == ["mine.gguf"]


def test_a_model_that_is_not_queued_to_be_made_stays_as_it_was(
    door: Served, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    monkeypatch.setattr("shared.jobs.service.prepare", unprepared)
    refused = door.post("/api/create", {"model": "mine", "files": {"mine.gguf": _DIGEST}})
    assert refused.status_code == 503
    assert list((tmp_path / "data" / "created").iterdir()) == []


def test_names_that_look_alike_have_files_of_their_own(door: Served, fleet: Fleet, tmp_path: Path) -> None:
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    folder, paths = tmp_path / "data" / "created", []
    for name in ("a-b", "a/b", "a:b"):
        with door.database.read() as session:
            _, placed = blobs.place(door.parts, session, _DIGEST, name)
        assert placed.path.parent == folder
        paths.append(str(placed.path))
    assert len(set(paths)) == 3


def test_a_model_that_is_made_anew_keeps_its_file(door: Served, fleet: Fleet, tmp_path: Path) -> None:
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    path = tmp_path / "data" / "created" / "a-b.gguf"
    with door.database.write() as session:
        catalog.register(session, fleet.host, [record("A/b", str(path))])
        for _ in range(2):
            assert blobs.place(door.parts, session, _DIGEST, "a/b")[1].path == path
    assert sorted(each.name for each in path.parent.iterdir()) == ["a-b.before", "a-b.gguf"]


def test_a_model_that_cannot_be_made_takes_no_other_of_its_name_with_it(door: Served, fleet: Fleet) -> None:
    other = b"GGUF of another"
    digest = f"sha256:{hashlib.sha256(other).hexdigest()}"
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    door.client.post(f"/api/blobs/{digest}", content=other)
    with door.database.read() as session:
        _, first = blobs.place(door.parts, session, _DIGEST, "mine")
        _, second = blobs.place(door.parts, session, digest, "mine")
    blobs.take_back(door.parts, first)
    assert second.path.read_bytes() == other
    blobs.take_back(door.parts, second)
    assert not second.path.exists()


def test_models_made_at_once_under_one_name_spoil_no_blob(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    other = b"GGUF of another"
    digest = f"sha256:{hashlib.sha256(other).hexdigest()}"
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    door.client.post(f"/api/blobs/{digest}", content=other)
    link, linked, placed = os.link, threading.Event(), threading.Event()

    def placed_as_mine(digest: str) -> File:
        with door.database.read() as session:
            return blobs.place(door.parts, session, digest, "mine")[0]

    def one_after_the_other(source: Path, target: Path) -> None:
        if threading.current_thread() is neighbour:
            link(source, target)
            linked.set()
            assert placed.wait(30)
        else:
            neighbour.start()
            assert linked.wait(30)
            link(source, target)

    neighbour = threading.Thread(target=placed_as_mine, args=(digest,))
    monkeypatch.setattr(os, "link", one_after_the_other)
    first = placed_as_mine(_DIGEST)
    placed.set()
    neighbour.join()
    assert b"".join(door.parts.store.pieces(first.id, 0, first.size)) == _BYTES
    with door.database.read() as session:
        second = blobs.find(session, digest.removeprefix("sha256:"))
    assert second is not None
    assert b"".join(door.parts.store.pieces(second.id, 0, second.size)) == other


def test_a_pull_is_a_download_told_in_lines(door: Served, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long it takes, no line is told again.
    monkeypatch.setattr(following, "_REPEAT", 100_000)

    def finish(ref: AttemptRef, job: Job) -> None:
        assert job.params["model"] == "hf:org/tiny:Q4_0"
        status = {**ref.model_dump(), "worker": fleet.worker, "progress": {"done": 5, "total": 9, "unit": "bytes"}}
        fleet.sync(attempts=[status])
        eventually(lambda: seen() == 5)
        fleet.finish(ref, result={})

    got: list[dict[str, Any]] = []

    def seen() -> int | None:
        return got[-1].get("completed") if got else None

    def ask() -> httpx2.Response:
        with door.client.stream("POST", "/api/pull", json={"model": "hf.co/org/tiny:Q4_0"}) as answer:
            for line in answer.iter_lines():
                got.append(json.loads(line))
        return answer

    followed(door, fleet, ask, finish)
    assert [line["status"] for line in got if "digest" not in line] == [
        "pulling manifest", "verifying sha256 digest", "writing manifest", "success",
    ]  # fmt: skip
    [pulling] = [line for line in got if "digest" in line]
    assert pulling["status"] == f"pulling {pulling['digest'].removeprefix('sha256:')[:12]}"
    assert (pulling["total"], pulling["completed"]) == (9, 5)


@pytest.mark.parametrize("stream", [True, False])
def test_a_pull_that_fails_ends_in_the_error(door: Served, fleet: Fleet, stream: bool) -> None:
    error = {"code": "disk_full", "what": "The disk is full", "why": "1 GiB is missing", "fix": "free it"}

    def fail(ref: AttemptRef, job: Job) -> None:
        fleet.finish(ref, "failed", error=error)

    asked = {"name": "org/tiny", "stream": stream}
    answer = followed(door, fleet, lambda: door.post("/api/pull", asked), fail)
    assert lines(answer)[-1] == {"error": "The disk is full: 1 GiB is missing. To fix: free it"}
    assert answer.status_code == (200 if stream else 500)


def test_what_is_here_and_came_from_nowhere_needs_no_pull(door: Served, tiny: str) -> None:
    assert lines(door.post("/api/pull", {"model": "tiny:latest"}))[-1] == {"status": "success"}
    assert door.post("/api/pull", {"model": "echo", "stream": False}).json() == {"status": "success"}
    assert door.get("/v1/jobs").json()["data"] == []


def test_a_name_of_ollamas_library_is_answered_with_one_of_the_hub(door: Served, fleet: Fleet) -> None:
    answer = door.post("/api/pull", {"model": "qwen3"})
    assert answer.status_code == 404
    assert "hf.co/" in answer.json()["error"]


def test_a_file_sent_where_no_agent_runs_is_refused_with_the_reason(door: Served) -> None:
    door.client.post(f"/api/blobs/{_DIGEST}", content=_BYTES)
    refused = door.post("/api/create", {"model": "mine", "files": {"mine.gguf": _DIGEST}})
    assert refused.status_code == 400
    assert "no agent runs" in refused.json()["error"]
