"""Reports arrive in order, once the front door can hear them, or wait on disk."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ExecutionError, Problem, Unauthorized
from shared.protocol import AttemptRef, FinishedAttempt, Item, Outcome, RunEvent, RunReport
from tests.frontdoor import WireFrontDoor
from tests.waiting import eventually
from workers.frontdoor import FrontDoor
from workers.outbox import Outbox, deliver_all_left, deliver_left
from workers.spool import Entry, Spool, left_behind


@pytest.fixture
def stale() -> list[AttemptRef]:
    return []


@pytest.fixture
def outbox(client: FrontDoor, tmp_path: Path, stale: list[AttemptRef]) -> Iterator[Outbox]:
    outbox = Outbox(client, "wk_1", tmp_path, stale.append)
    outbox.start()
    yield outbox
    outbox.close(timeout=60)


def _finished(number: int) -> FinishedAttempt:
    return FinishedAttempt(job_id=f"job_{number}", attempt=1, outcome=Outcome.SUCCEEDED, result={"n": number})


def test_reports_wait_for_their_answer(outbox: Outbox, door: WireFrontDoor) -> None:
    assert outbox.wait(outbox.put_finish(_finished(1)), timeout=60)
    assert door.bodies("/finish")[0]["worker"] == "wk_1"
    assert door.bodies("/finish")[0]["attempts"][0]["result"] == {"n": 1}


def test_items_arrive_before_the_end_of_their_attempt(outbox: Outbox, door: WireFrontDoor) -> None:
    ref = AttemptRef(job_id="job_1", attempt=1)
    for index in range(20):
        outbox.put_items(ref, [Item(index=index, data=index)])
    outbox.wait(outbox.put_finish(_finished(1)), timeout=60)
    paths = [path for path, _ in door.heard]
    assert paths[-1] == "/finish"
    assert [item["index"] for body in door.bodies("/items") for item in body["items"]] == list(range(20))


def test_what_cannot_be_reported_waits_on_disk_in_order(outbox: Outbox, door: WireFrontDoor, tmp_path: Path) -> None:
    door.away = True
    tickets = [outbox.put_finish(_finished(n)) for n in range(5)]
    assert outbox.wait(tickets[-1], timeout=60), "safe on disk counts as handed in"
    assert len(Spool(tmp_path, "wk_1").read()) >= 1
    door.away = False
    eventually(lambda: sum(len(b["attempts"]) for b in door.bodies("/finish")) == 5)
    said = [attempt["job_id"] for body in door.bodies("/finish") for attempt in body["attempts"]]
    assert said == [f"job_{n}" for n in range(5)]
    eventually(lambda: Spool(tmp_path, "wk_1").empty)


@pytest.mark.parametrize("kept", [0, 2], ids=["nothing kept", "some kept"])
def test_a_full_disk_loses_no_report_and_ends_nothing(
    outbox: Outbox, door: WireFrontDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    door.away = True
    for number in range(kept):
        assert outbox.wait(outbox.put_finish(_finished(number)), timeout=60)
    full = _FullDisk()
    monkeypatch.setattr("workers.spool._to_disk", full)
    last = [outbox.put_finish(_finished(number)) for number in range(kept, 5)][-1]
    eventually(lambda: full.asked > 2)
    assert not outbox.wait(last, timeout=0)
    door.away = False
    assert outbox.wait(last, timeout=60)
    said = [attempt["job_id"] for body in door.bodies("/finish") for attempt in body["attempts"]]
    assert list(dict.fromkeys(said)) == [f"job_{n}" for n in range(5)]
    eventually(lambda: Spool(tmp_path, "wk_1").empty)


def test_a_disk_that_cannot_be_read_for_a_while_ends_no_sender(
    outbox: Outbox, door: WireFrontDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.away = True
    assert outbox.wait(outbox.put_finish(_finished(1)), timeout=60)
    asked = threading.Semaphore(0)

    def broken(_: Spool) -> list[Entry]:
        asked.release()
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "read", broken)
        door.away = False
        assert all(asked.acquire(timeout=60) for _ in range(2))
    assert outbox.wait(outbox.put_finish(_finished(2)), timeout=60)
    eventually(lambda: Spool(tmp_path, "wk_1").empty)
    said = [attempt["job_id"] for body in door.bodies("/finish") for attempt in body["attempts"]]
    assert list(dict.fromkeys(said)) == ["job_1", "job_2"]


class _FullDisk:
    """It takes what is written, and then says that there was no room for it."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, _: int) -> None:
        self.asked += 1
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_disk_took_half_of_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, "wk_1")
    spool.append([Entry("/finish", "{}")])
    with monkeypatch.context() as patched:
        patched.setattr("workers.spool._to_disk", _FullDisk())
        with pytest.raises(OSError, match="No space"):
            spool.append([Entry("/items", "{}")])
    spool.append([Entry("/runs/report", "{}")])
    assert [entry.path for entry in spool.read()] == ["/finish", "/runs/report"]


def test_reports_go_together_as_far_as_they_fit(
    client: FrontDoor, door: WireFrontDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.reports._BYTES", 1000)
    outbox = Outbox(client, "wk_1", tmp_path, lambda _: None)
    lengths = [3000, 300, 300, 300, 10, 3000]
    for index, length in enumerate(lengths):
        outbox.put_items(AttemptRef(job_id="job_1", attempt=1), [Item(index=index, data="x" * length)])
    for index, length in enumerate(lengths):
        outbox.put_finish(_finished(index).model_copy(update={"result": {"text": "x" * length}}))
    outbox.start()
    outbox.close(timeout=60)
    assert [[item["index"] for item in body["items"]] for body in door.bodies("/items")] == [[0], [1, 2], [3, 4], [5]]
    assert [len(body["attempts"]) for body in door.bodies("/finish")] == [1, 2, 2, 1]


def test_a_stale_report_is_told_to_the_attempt(outbox: Outbox, door: WireFrontDoor, stale: list[AttemptRef]) -> None:
    door.answers["/finish"] = lambda body: (200, {"verdicts": ["stale"] * len(body["attempts"])})
    outbox.wait(outbox.put_finish(_finished(1)), timeout=60)
    assert [ref.job_id for ref in stale] == ["job_1"]


def test_a_refused_report_does_not_stop_the_others(outbox: Outbox, door: WireFrontDoor) -> None:
    door.answers["/items"] = lambda _: (422, {"error": {"code": "invalid_parameters", "what": "No"}})
    outbox.put_items(AttemptRef(job_id="job_1", attempt=1), [Item(index=0, data=None)])
    assert outbox.wait(outbox.put_finish(_finished(2)), timeout=60)
    assert door.bodies("/finish")


def test_another_process_delivers_what_a_killed_worker_left(
    client: FrontDoor, door: WireFrontDoor, tmp_path: Path
) -> None:
    door.away = True
    dead = Outbox(client, "wk_dead", tmp_path, lambda _: None)
    dead.start()
    dead.wait(dead.put_finish(_finished(7)), timeout=60)
    dead.close(timeout=60)
    door.away = False
    [spool] = left_behind(tmp_path)
    assert deliver_left(client, spool) == 1
    assert door.bodies("/finish")[0]["worker"] == "wk_dead"
    assert left_behind(tmp_path) == []


def test_what_a_silent_front_door_holds_up_is_on_disk_when_the_worker_ends(
    client: FrontDoor, door: WireFrontDoor, tmp_path: Path
) -> None:
    asked, answered = threading.Event(), threading.Event()

    def silent(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked.set()
        answered.wait(60)
        return 200, {"accepted": True}

    door.answers["/items"] = silent
    outbox = Outbox(client, "wk_1", tmp_path, lambda _: None)
    outbox.start()
    outbox.put_items(AttemptRef(job_id="job_1", attempt=1), [Item(index=0, data="first")])
    assert asked.wait(30)
    outbox.put_items(AttemptRef(job_id="job_1", attempt=1), [Item(index=1, data="second")])
    outbox.put_finish(_finished(1))
    outbox.close(timeout=0)
    spool = Spool(tmp_path, "wk_1")
    assert [entry.path for entry in spool.read()] == ["/items", "/finish"]
    assert spool.read()[0].body.count('"index"') == 2
    answered.set()
    eventually(lambda: spool.empty)
    outbox.close(timeout=60)
    assert door.bodies("/finish")


def test_what_comes_while_older_reports_are_sent_stays_behind_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "wk_1")
    spool.append([Entry("/items", "{}")])
    spool.replay(lambda _: spool.append([Entry("/finish", "{}")]))
    assert [entry.path for entry in spool.read()] == ["/items", "/finish"]


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "wk_1")
    spool.path.write_text('["/finish", "{}"]\n["/fin', encoding="utf-8")
    assert [entry.path for entry in spool.read()] == ["/finish"]


def nested(levels: int) -> object:
    value: object = "deep inside"
    for _ in range(levels):
        value = [value]
    return value


_UNSAID = [{"text": "half\ud83d"}, nested(230), nested(300)]


@pytest.mark.parametrize("data", _UNSAID)
def test_a_result_that_can_never_be_reported_fails_its_attempt_alone(
    outbox: Outbox, door: WireFrontDoor, data: object
) -> None:
    outbox.put_finish(_finished(1).model_copy(update={"result": {"data": data}}))
    assert outbox.wait(outbox.put_finish(_finished(2)), timeout=60)
    first, second = [attempt for body in door.bodies("/finish") for attempt in body["attempts"]]
    assert (first["outcome"], first["error"]["what"]) == ("failed", "What came of the job cannot be reported")
    assert second["result"] == {"n": 2}


@pytest.mark.parametrize("data", _UNSAID)
def test_a_piece_that_can_never_be_reported_is_told_to_its_attempt(
    outbox: Outbox, door: WireFrontDoor, data: object
) -> None:
    ref = AttemptRef(job_id="job_1", attempt=1)
    with pytest.raises(ExecutionError, match="cannot be reported"):
        outbox.put_items(ref, [Item(index=0, data=data)])
    assert outbox.wait(outbox.put_items(ref, [Item(index=1, data="plain")]), timeout=60)
    assert [item["index"] for body in door.bodies("/items") for item in body["items"]] == [1]


def test_a_piece_that_is_too_large_is_told_to_its_attempt(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.reports.LARGEST", 1000)
    with pytest.raises(ExecutionError, match="over 1000 B"):
        outbox.put_items(AttemptRef(job_id="job_1", attempt=1), [Item(index=0, data="x" * 1000)])


def test_a_run_s_error_that_can_never_be_reported_is_left_out(outbox: Outbox, door: WireFrontDoor) -> None:
    error = Problem(code="run_died", what="It said \ud83d", crash=True)
    report = RunReport(run_id="run_1", generation=1, worker="wk_1", event=RunEvent.FAILED, error=error)
    assert outbox.wait(outbox.put_run(report), timeout=60)
    [told] = door.bodies("/runs/report")
    assert (told["event"], told["error"]["code"], told["error"]["crash"]) == ("failed", "run_died", True)


def test_what_a_disk_does_not_give_back_stays_and_stops_no_other_worker(
    client: FrontDoor, door: WireFrontDoor, tmp_path: Path
) -> None:
    for worker in ("wk_broken", "wk_dead", "wk_living"):
        Spool(tmp_path, worker).append([Entry("/finish", f'{{"worker": "{worker}", "attempts": []}}')])
    Spool(tmp_path, "wk_broken").path.unlink()
    (tmp_path / "wk_broken.jsonl").mkdir()
    deliver_all_left(client, tmp_path, {"wk_living"})
    assert [body["worker"] for body in door.bodies("/finish")] == ["wk_dead"]
    assert {spool.path.stem for spool in left_behind(tmp_path)} == {"wk_broken", "wk_living"}


def test_a_spool_that_is_delivered_while_others_look_for_it_is_none(tmp_path: Path) -> None:
    Spool(tmp_path, "wk_dead").append([Entry("/finish", "{}")])
    (tmp_path / "wk_gone.jsonl").symlink_to(tmp_path / "delivered")
    assert [spool.path.stem for spool in left_behind(tmp_path)] == ["wk_dead"]


def test_a_kept_report_that_nobody_can_read_stops_no_other(
    client: FrontDoor, door: WireFrontDoor, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, "wk_dead")
    spool.append([Entry("/items", "[" * 300), Entry("/finish", '{"worker": "wk_dead", "attempts": []}')])
    assert deliver_left(client, spool) == 2
    assert [path for path, _ in door.heard] == ["/finish"]
    assert spool.empty


def test_a_refused_report_of_a_gone_worker_stops_no_other(
    client: FrontDoor, door: WireFrontDoor, tmp_path: Path
) -> None:
    door.answers["/items"] = lambda _: (422, {"error": {"code": "invalid_parameters", "what": "No"}})
    spool = Spool(tmp_path, "wk_dead")
    items = '{"job_id": "job_1", "attempt": 1, "worker": "wk_dead", "items": [{"index": 0, "data": 1}]}'
    spool.append([Entry("/items", items), Entry("/finish", '{"worker": "wk_dead", "attempts": []}')])
    assert deliver_left(client, spool) == 2
    assert [path for path, _ in door.heard] == ["/items", "/finish"]


def test_what_a_gone_worker_kept_waits_for_a_right_token(
    client: FrontDoor, door: WireFrontDoor, tmp_path: Path
) -> None:
    door.answers["/finish"] = lambda _: (401, {"error": {"code": "unauthorized", "what": "No"}})
    spool = Spool(tmp_path, "wk_dead")
    spool.append([Entry("/finish", '{"worker": "wk_dead", "attempts": []}')])
    with pytest.raises(Unauthorized):
        deliver_left(client, spool)
    assert not spool.empty
