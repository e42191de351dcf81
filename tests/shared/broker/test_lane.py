"""Hints go from the dispatcher to the lane's worker."""

from __future__ import annotations

from threading import Event

import pytest
import redis

from shared.broker import Dispatcher
from shared.lane import lane_name
from shared.protocol import AttemptRef, RunRef
from tests.shared.broker.conftest import LANE, Listen
from tests.shared.broker.heard import Heard
from tests.waiting import eventually


def attempts(*jobs: str) -> list[AttemptRef]:
    return [AttemptRef(job_id=job, attempt=1) for job in jobs]


def test_a_lane_is_called_after_its_host_and_runtime() -> None:
    assert lane_name("mini", "echo") == LANE


def test_an_attempt_is_heard_with_its_number(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    listen(valkey, heard)
    dispatcher.dispatch(LANE, [AttemptRef(job_id="job_1", attempt=3)])
    heard.wait(1)
    assert heard.executes == [("job_1", 3)]


def test_a_run_is_tended_with_its_generation(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    listen(valkey, heard)
    dispatcher.dispatch(LANE, [RunRef(run_id="run_1", generation=2)])
    heard.wait(1)
    assert heard.tends == [("run_1", 2)]


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at a lane but for its bell."""
    monkeypatch.setattr("shared.broker.consumer.SLOW_POLL", 600.0)


@pytest.mark.usefixtures("no_poll")
def test_an_idle_lane_starts_with_the_ring(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    listen(valkey, heard)
    for count in range(1, 31):
        dispatcher.dispatch(LANE, attempts(f"job_{count}"))
        heard.wait(count)


def test_hints_wait_for_a_worker_that_starts_later(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    dispatcher.dispatch(LANE, attempts("job_1", "job_2"))
    heard = Heard()
    listen(valkey, heard)
    heard.wait(2)


def test_a_lane_hears_only_its_own(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    here, there = Heard(), Heard()
    listen(valkey, here)
    listen(valkey, there, lane="mini.whisper")
    dispatcher.dispatch(LANE, attempts("job_1"))
    dispatcher.dispatch("mini.whisper", attempts("job_2"))
    here.wait(1)
    there.wait(1)
    assert (here.executes, there.executes) == ([("job_1", 1)], [("job_2", 1)])


@pytest.mark.parametrize("prefetch", [1, 64])
def test_a_burst_arrives_whole_and_in_order(valkey: str, dispatcher: Dispatcher, listen: Listen, prefetch: int) -> None:
    heard = Heard()
    listen(valkey, heard, prefetch=prefetch)
    jobs = [f"job_{number}" for number in range(1_234)]
    dispatcher.dispatch(LANE, attempts(*jobs))
    heard.wait(len(jobs))
    assert [job for job, _ in heard.executes] == jobs


def test_nothing_is_left_behind_in_redis(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    listen(valkey, heard, threads=4)
    dispatcher.dispatch(LANE, attempts(*(f"job_{number}" for number in range(100))))
    heard.wait(100)
    with redis.Redis.from_url(valkey) as client:
        eventually(lambda: {key.decode() for key in client.scan_iter()} <= {"test:__heartbeats__"})


def test_several_workers_share_a_lane(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    listen(valkey, heard, prefetch=2)
    listen(valkey, heard, prefetch=2)
    jobs = {f"job_{number}" for number in range(200)}
    dispatcher.dispatch(LANE, attempts(*jobs))
    heard.wait(200)
    assert {job for job, _ in heard.executes} == jobs


def test_a_lost_ring_is_healed_by_the_slow_poll(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    listen(valkey, heard)
    with redis.Redis.from_url(valkey) as client:
        eventually(lambda: client.info("clients")["blocked_clients"] == 1)
        pipeline = client.pipeline(transaction=True)
        # A blocked client is served after the transaction, and then the ring is gone.
        dispatcher.dispatch("mini.aside", attempts("job_1"))
        body = client.hgetall("test:mini.aside.msgs")
        (redis_id, message), *_ = body.items()
        pipeline.hset(f"test:{LANE}.msgs", redis_id, message.replace(b"mini.aside", LANE.encode()))
        pipeline.rpush(f"test:{LANE}", redis_id)
        pipeline.execute()
    heard.wait(1)


def test_a_callback_that_raises_costs_only_its_own_message(
    valkey: str, dispatcher: Dispatcher, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_once(job: str) -> None:
        if job == "job_bad":
            raise RuntimeError("this one is bad")

    heard = Heard(then=fail_once)
    listen(valkey, heard)
    dispatcher.dispatch(LANE, attempts("job_bad", "job_good"))
    heard.wait(2)
    with redis.Redis.from_url(valkey) as client:
        eventually(lambda: not client.exists(f"test:{LANE}.msgs"))
    assert [job for job, _ in heard.executes] == ["job_bad", "job_good"]
    assert sum("this one is bad" in (record.exc_text or "") for record in caplog.records) == 1


GOOD = (
    b'{"queue_name":"%s","actor_name":"%s","args":%s,"kwargs":{},"options":{"redis_message_id":"x"},'
    b'"message_id":"x","message_timestamp":1}'
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff not json", id="not json"),
        pytest.param(b"[1, 2]", id="not a message"),
        pytest.param(b'{"queue_name": "mini.echo"}', id="half a message"),
        pytest.param(GOOD % (b"other.lane", b"execute", b'["job_1", 1]'), id="of another lane"),
        pytest.param(GOOD % (LANE.encode(), b"explode", b"[]"), id="of an unknown sort"),
        pytest.param(GOOD % (LANE.encode(), b"execute", b'["job_1"]'), id="with too few arguments"),
        pytest.param(GOOD % (LANE.encode(), b"execute", b'["job_1", "one"]'), id="with a wrong argument"),
    ],
)
def test_a_message_that_makes_no_sense_is_dropped(
    valkey: str, dispatcher: Dispatcher, listen: Listen, body: bytes
) -> None:
    with redis.Redis.from_url(valkey) as client:
        client.hset(f"test:{LANE}.msgs", "x", body)
        client.rpush(f"test:{LANE}", "x", "gone")
        heard = Heard()
        listen(valkey, heard)
        dispatcher.dispatch(LANE, attempts("job_good"))
        heard.wait(1)
        eventually(lambda: not client.exists(f"test:{LANE}.msgs") and not client.keys("test:__acks__*"))
    assert heard.executes == [("job_good", 1)]


def test_a_paused_lane_is_silent_until_it_goes_on(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    worker = listen(valkey, heard)
    worker.pause()
    dispatcher.dispatch(LANE, attempts("job_1"))
    with pytest.raises(AssertionError, match="heard 0 of 1"):
        heard.wait(1, within=0.3)
    worker.resume()
    heard.wait(1)


def test_a_stopping_worker_gives_back_what_it_did_not_begin(
    valkey: str, dispatcher: Dispatcher, listen: Listen
) -> None:
    release = Event()
    first, second = Heard(then=lambda _: release.wait(60)), Heard()
    worker = listen(valkey, first, prefetch=8)
    dispatcher.dispatch(LANE, attempts("job_1", "job_2", "job_3", "job_4"))
    first.wait(1)
    worker.stop(timeout=0.2)
    release.set()
    listen(valkey, second)
    second.wait(3)
    assert first.executes == [("job_1", 1)]
    assert {job for job, _ in second.executes} == {"job_2", "job_3", "job_4"}


@pytest.mark.usefixtures("no_poll")
def test_an_idle_worker_that_stops_waits_for_no_ring(valkey: str, listen: Listen) -> None:
    worker = listen(valkey, Heard())
    with redis.Redis.from_url(valkey) as client:
        eventually(lambda: client.info("clients")["blocked_clients"] == 1)
    worker.stop(timeout=60)
    assert not any(thread.is_alive() for thread in worker._worker.consumers.values()), "they have left the bell"
