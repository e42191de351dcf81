"""The life of a job as agents and workers see it, call by call."""

from __future__ import annotations

import pytest

from shared import protocol
from shared.protocol import AttemptRef, RunRef
from shared.runs import state as runs
from tests.api.fleet import ECHO, Fleet
from tests.api.served import Served

_INSTALL = {
    "provider": "hf",
    "repo": "org/tiny",
    "name": "org/tiny",
    "format": "gguf",
    "path": "/models/tiny.gguf",
    "size": 1000,
    "capabilities": ["generate"],
    "files": [{"name": "tiny.gguf", "size": 1000, "sha256": "00"}],
}


def test_a_job_goes_from_submit_to_result(door: Served, fleet: Fleet) -> None:
    run = fleet.ready_run()
    job_id = door.submit("hello", labels={"team": "a"})
    ref = fleet.assign(job_id, run.run_id)
    [assignment] = fleet.claim(ref)
    assert assignment.kind == "inference"
    assert assignment.params == {"model": "echo", "prompt": "hello"}
    assert assignment.run is not None
    assert assignment.run.endpoint.url == "http://127.0.0.1:1"
    assert assignment.model is not None
    assert assignment.model.name == "echo"
    assert assignment.labels == {"team": "a"}
    said = {**ref.model_dump(), "worker": fleet.worker, "items": [{"index": 0, "data": {"text": "HELLO"}}]}
    assert fleet.call("/items", said).json() == {"accepted": True}
    assert fleet.finish(ref, result={"text": "HELLO"}) == protocol.Verdict.ACCEPTED
    shown = door.get(f"/v1/jobs/{job_id}").json()
    assert (shown["state"], shown["result"], shown["items_done"]) == ("succeeded", {"text": "HELLO"}, 1)
    assert [a["state"] for a in shown["attempts"]] == ["succeeded"]
    assert door.get(f"/v1/jobs/{job_id}/result").json() == {"text": "HELLO"}


def test_a_claim_names_only_what_was_won(fleet: Fleet, door: Served) -> None:
    run = fleet.ready_run()
    first, second = (fleet.assign(door.submit(), run.run_id) for _ in range(2))
    gone = AttemptRef(job_id="job_gone", attempt=1)
    assert [a.job_id for a in fleet.claim(second, gone, first)] == [second.job_id, first.job_id]
    assert fleet.claim(first, worker="worker-2") == []


def test_a_second_attempt_recalls_the_finished_items(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    run_id = door.get(f"/v1/jobs/{ref.job_id}").json()["attempts"][0]["run_id"]
    items = [{"index": 3, "data": "three"}, {"index": 1, "data": [1]}]
    fleet.call("/items", {**ref.model_dump(), "worker": fleet.worker, "items": items})
    assert fleet.finish(ref, "released") == protocol.Verdict.ACCEPTED
    again = fleet.assign(ref.job_id, run_id)
    assert again.attempt == 2
    fleet.claim(again)
    said = {**again.model_dump(), "worker": fleet.worker}
    assert fleet.call("/items/recall", said).json() == {"items": [items[1], items[0]], "more": False}
    assert fleet.call("/items/recall", {**said, "attempt": 1}).status_code == 409


def test_long_items_are_recalled_some_at_a_time(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    for index in range(3):
        fleet.keep(ref, {"index": index, "data": "long" * 600_000})
    said = {**ref.model_dump(), "worker": fleet.worker}
    pages = [fleet.call("/items/recall", {**said, "after": after}).json() for after in (-1, 0, 1, 2)]
    found = [([item["index"] for item in page["items"]], page["more"]) for page in pages]
    assert found == [([0], True), ([1], True), ([2], False), ([], False)]


def test_a_finish_that_comes_twice_is_a_duplicate_and_a_late_one_is_stale(fleet: Fleet) -> None:
    ref = fleet.running_job()
    assert fleet.finish(ref, result={}) == protocol.Verdict.ACCEPTED
    assert fleet.finish(ref, result={}) == protocol.Verdict.DUPLICATE
    assert fleet.finish(ref, "failed") == protocol.Verdict.STALE


def test_a_sync_keeps_what_lives_and_drops_what_is_over(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    progress = {"done": 1, "total": 4, "unit": "items"}
    status = {**ref.model_dump(), "worker": fleet.worker, "phase": "generating", "progress": progress}
    over = {"job_id": "job_over", "attempt": 1, "worker": fleet.worker}
    answer = fleet.sync(attempts=[status, over], telemetry={"cpu_percent": 12.5, "disk_free": 77})
    assert answer.kept == [ref]
    assert answer.drop == [AttemptRef(job_id="job_over", attempt=1)]
    job = door.get(f"/v1/jobs/{ref.job_id}").json()
    assert (job["phase"], job["progress"]["total"]) == ("generating", 4)
    host = door.get("/v1/hosts/studio").json()
    assert (host["state"], host["telemetry"], host["disk_free"]) == ("up", {"cpu_percent": 12.5, "disk_free": 77}, 77)


def test_a_cancel_reaches_the_worker_with_the_next_sync(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    assert door.post(f"/v1/jobs/{ref.job_id}/cancel").json()["state"] == "running"
    answer = fleet.sync(attempts=[{**ref.model_dump(), "worker": fleet.worker}])
    assert answer.cancel == [ref]
    assert fleet.finish(ref, "cancelled") == protocol.Verdict.ACCEPTED
    assert door.get(f"/v1/jobs/{ref.job_id}").json()["state"] == "cancelled"


def test_a_dead_worker_loses_its_attempts_at_once(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    fleet.sync(dead_workers=[fleet.worker])
    shown = door.get(f"/v1/jobs/{ref.job_id}").json()
    assert (shown["state"], shown["crashes"]) == ("queued", 1)
    assert shown["attempts"][0]["state"] == "lost"
    assert fleet.finish(ref, result={}) == protocol.Verdict.STALE


def test_a_new_agent_loses_what_the_old_one_ran(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    fleet.register()
    assert door.get(f"/v1/jobs/{ref.job_id}").json()["state"] == "running"
    fleet.register(agent="agent-2")
    assert door.get(f"/v1/jobs/{ref.job_id}").json()["state"] == "queued"
    assert door.get("/v1/hosts/studio").json()["memory_held"] == 0
    late = fleet.call("/sync", {"agent": "agent-1", "budget": 1})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "stale_transition")


@pytest.mark.parametrize(
    "odd", [{"default_context": 2**40}, {"max_slots": 0}, {"base_memory": -1}, {"lane_slots": 2**63}]
)
def test_a_host_that_offers_what_cannot_be_is_told_so(door: Served, fleet: Fleet, odd: dict[str, int]) -> None:
    """Else the plan would fail at it for everybody, again and again."""
    offer = ECHO.model_dump(mode="json") | odd
    refused = fleet.call("/register", fleet.registration().model_dump(mode="json") | {"runtimes": [offer]})
    assert refused.status_code == 422
    assert next(iter(odd)) in refused.text


def test_a_host_that_never_registered_cannot_sync(door: Served) -> None:
    fleet = Fleet(door, "mini")
    answer = fleet.call("/sync", {"agent": "agent-1", "budget": 1})
    assert answer.status_code == 409
    assert "register" in answer.json()["error"]["fix"]


def test_a_run_is_wished_for_until_a_worker_tends_it(
    door: Served, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "REPUBLISH", 600.0)
    run_id = door.post("/v1/runs", {"model": "echo"}).json()["id"]
    ref = fleet.place(run_id)
    assert fleet.sync().wishes == [], "its message was sent a moment ago"
    with door.database.write() as session:
        session.connection().exec_driver_sql("UPDATE runs SET publish_at = 1")
    [wish] = fleet.sync().wishes
    assert (wish.run_id, wish.generation, wish.runtime) == (run_id, ref.generation, "echo")
    order = fleet.tend(ref)
    assert order.action == protocol.RunAction.START
    assert order.model is not None
    assert fleet.tend(ref).action == protocol.RunAction.NOTHING
    assert fleet.sync().wishes == []


def test_a_stopped_run_frees_its_memory_when_its_worker_says_so(door: Served, fleet: Fleet) -> None:
    ref = fleet.ready_run()
    assert door.get("/v1/hosts/studio").json()["memory_held"] == 1024
    assert door.client.delete(f"/v1/runs/{ref.run_id}").json()["state"] == "stopping"
    assert fleet.tend(ref).action == protocol.RunAction.STOP
    assert fleet.report(ref, "stopped", peak=4096)
    shown = door.get(f"/v1/runs/{ref.run_id}").json()
    assert (shown["state"], shown["memory_held"], shown["memory_peak"]) == ("stopped", 0, 4096)
    assert door.post(f"/v1/runs/{ref.run_id}/stop").status_code == 409


def test_a_run_that_died_says_why(door: Served, fleet: Fleet) -> None:
    ref = fleet.ready_run()
    error = {"code": "out_of_memory", "what": "It ran out of memory", "why": "9 GiB", "fix": "less context"}
    assert fleet.report(ref, "failed", error=error)
    shown = door.get(f"/v1/runs/{ref.run_id}").json()
    assert (shown["state"], shown["error"]["code"]) == ("failed", "out_of_memory")
    assert not fleet.report(ref, "ready"), "it is over"


def test_a_sync_tells_which_runs_are_no_longer_this_hosts(fleet: Fleet) -> None:
    ref = fleet.ready_run()
    old = RunRef(run_id=ref.run_id, generation=ref.generation - 1)
    said = [{**r.model_dump(), "worker": fleet.worker, "memory": 3000} for r in (ref, old)]
    answer = fleet.sync(runs=said)
    assert (answer.kept_runs, answer.drop_runs) == ([ref], [old])
    fleet.sync(dead_runs=[ref.model_dump()])
    assert fleet.sync(runs=said[:1]).drop_runs == [ref]


def test_logs_of_runs_come_with_the_sync(door: Served, fleet: Fleet) -> None:
    ref = fleet.ready_run()
    lines = [{"run_id": ref.run_id, "text": "loading"}, {"run_id": ref.run_id, "text": "ready"}]
    fleet.sync(logs=[*lines, {"run_id": "run_of_others", "text": "no"}])
    assert door.get(f"/v1/runs/{ref.run_id}/logs").text == "loading\nready\n"


def test_a_finished_download_enters_the_catalog_with_the_job(door: Served, fleet: Fleet) -> None:
    made = door.post("/v1/models/install", {"model": "local:/models/tiny.gguf", "host": "studio"})
    assert made.status_code == 201, made.text
    ref = fleet.assign(made.json()["id"], None, "store")
    [assignment] = fleet.claim(ref)
    assert assignment.run is None
    assert fleet.finish(ref, result={}, installs=[_INSTALL]) == protocol.Verdict.ACCEPTED
    shown = door.get("/v1/models/org/tiny").json()
    assert (shown["id"], shown["hosts"], shown["reference"]) == ("org/tiny", ["studio"], "hf:org/tiny")
    assert shown["installs"][0]["path"] == "/models/tiny.gguf"
    assert door.get("/v1/models/hf:org/tiny").json()["model_id"] == shown["model_id"]


def test_a_stale_download_installs_nothing(door: Served, fleet: Fleet) -> None:
    job_id = door.post("/v1/models/install", {"model": "local:/models/tiny.gguf"}).json()["id"]
    ref = fleet.assign(job_id, None, "store")
    fleet.claim(ref)
    fleet.sync(dead_workers=[fleet.worker])
    assert fleet.finish(ref, result={}, installs=[_INSTALL]) == protocol.Verdict.STALE
    assert door.get("/v1/models/org/tiny").status_code == 404


def test_a_running_job_acquires_and_releases_a_run_of_its_own(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    ask = {**ref.model_dump(), "worker": fleet.worker, "request": "r1", "model": "echo", "runtime": "echo"}
    first = fleet.call("/runs/acquire", ask).json()
    assert first["state"] == "pending"
    assert fleet.call("/runs/acquire", ask).json()["run_id"] == first["run_id"]
    fleet.make_ready(first["run_id"], "http://127.0.0.1:2")
    ready = fleet.call("/runs/acquire", ask).json()
    assert (ready["state"], ready["endpoint"]["url"]) == ("ready", "http://127.0.0.1:2")
    release = {**ref.model_dump(), "worker": fleet.worker, "run_id": first["run_id"]}
    assert fleet.call("/runs/release", release).json() == {"accepted": True}
    assert door.get(f"/v1/runs/{first['run_id']}").json()["state"] == "stopping"
    fleet.finish(ref, result={})
    assert fleet.call("/runs/acquire", ask).status_code == 409
    assert fleet.call("/runs/release", release).json() == {"accepted": False}


def test_output_of_an_attempt_is_kept_while_it_runs(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    said = {**ref.model_dump(), "worker": fleet.worker, "log": ["one", "two"], "text": "Hel"}
    assert fleet.call("/output", said).json() == {"accepted": True}
    assert door.get(f"/v1/jobs/{ref.job_id}/logs").text == "one\ntwo\n"
    fleet.finish(ref, result={})
    assert fleet.call("/output", said).json() == {"accepted": False}


def test_a_worker_stores_a_file_for_its_attempt_and_reads_what_its_jobs_read(door: Served, fleet: Fleet) -> None:
    content = b"line\n" * 400_000
    uploaded = door.client.post("/v1/files", files={"file": ("in.jsonl", content)}).json()["id"]
    assert fleet.get(f"/files/{uploaded}").status_code == 404, "no job reads it yet"
    params = {"model": "echo", "file": uploaded}
    job = door.post("/v1/jobs", {"kind": "inference", "params": params}).json()["id"]
    ref = fleet.assign(job, fleet.ready_run().run_id)
    assert fleet.get(f"/files/{uploaded}").status_code == 404, "its job does not run yet"
    assert len(fleet.claim(ref)) == 1
    assert fleet.get(f"/files/{uploaded}").content == content
    query = f"job_id={ref.job_id}&attempt=1&worker={fleet.worker}&name=../out.json"
    headers = {"Authorization": f"Bearer {fleet.token}", protocol.HEADER: "1", "Content-Type": "application/json"}
    made = door.client.post(f"/worker/v1/files?{query}", content=content, headers=headers)
    assert (made.status_code, made.json()["size"]) == (200, len(content)), made.text
    shown = door.get(f"/v1/files/{made.json()['id']}").json()
    assert (shown["filename"], shown["job_id"], shown["purpose"]) == ("out.json", ref.job_id, "job_output")
    assert fleet.get(f"/files/{made.json()['id']}").content == content
    fleet.finish(ref, result={"output_file": made.json()["id"]})
    late = door.client.post(f"/worker/v1/files?{query}", content=b"x", headers=headers)
    assert late.status_code == 409
    redirect = door.get(f"/v1/jobs/{ref.job_id}/result?download=true", follow_redirects=True)
    assert redirect.content == content
    assert fleet.get(f"/files/{uploaded}").status_code == 404, "its job is over"


def test_another_version_of_the_protocol_is_refused(fleet: Fleet) -> None:
    answer = fleet.call("/claim", {"worker": "w", "attempts": []}, **{protocol.HEADER: "99"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (426, "protocol_mismatch")


@pytest.mark.parametrize("header", ["Bearer wrong", "", "Basic abc"])
def test_a_wrong_token_is_refused(fleet: Fleet, header: str) -> None:
    answer = fleet.call("/claim", {"worker": "w", "attempts": []}, Authorization=header)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_joining_again_ends_the_old_token(door: Served, fleet: Fleet) -> None:
    fleet.sync()
    new = Fleet(door, "studio")
    assert fleet.call("/sync", {"agent": "agent-1", "budget": 1}).status_code == 401
    new.sync()


def test_one_host_cannot_touch_the_attempts_of_another(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    other = Fleet(door, "mini")
    other.register()
    assert other.claim(ref) == []
    assert other.finish(ref, result={}) == protocol.Verdict.STALE
    assert other.sync(attempts=[{**ref.model_dump(), "worker": fleet.worker}]).drop == [ref]


def test_one_host_reads_no_file_of_the_jobs_of_another(door: Served, fleet: Fleet) -> None:
    uploaded = door.client.post("/v1/files", files={"file": ("in.jsonl", b"{}")}).json()["id"]
    job = door.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "file": uploaded}}).json()["id"]
    ref = fleet.assign(job, fleet.ready_run().run_id)
    fleet.claim(ref)
    query = f"job_id={ref.job_id}&attempt=1&worker={fleet.worker}&name=out.json"
    headers = {"Authorization": f"Bearer {fleet.token}", protocol.HEADER: "1"}
    made = door.client.post(f"/worker/v1/files?{query}", content=b"x", headers=headers).json()["id"]
    other = Fleet(door, "mini")
    other.register()
    for file in (uploaded, made):
        assert (fleet.get(f"/files/{file}").status_code, other.get(f"/files/{file}").status_code) == (200, 404)
    headers["Authorization"] = f"Bearer {other.token}"
    assert door.client.post(f"/worker/v1/files?{query}", content=b"x", headers=headers).status_code == 409


def test_to_write_a_files_id_somewhere_gives_nobody_the_file(door: Served, fleet: Fleet) -> None:
    uploaded = door.client.post("/v1/files", files={"file": ("secret.wav", b"RIFF")}).json()["id"]
    fleet.running_job(prompt=f"about {uploaded}", labels={"file": uploaded})
    assert fleet.get(f"/files/{uploaded}").status_code == 404
