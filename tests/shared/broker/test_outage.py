"""Redis may die, restart, be wiped or fall silent: lanes go on, senders hear of it at once."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from contextlib import closing
from threading import Event
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from structlog.testing import capture_logs

from cli.embedded.valkey import EmbeddedValkey
from shared.broker import Dispatcher, LaneWorker
from shared.broker import dispatcher as dispatching
from shared.errors import ConfigError, Unavailable
from shared.protocol import AttemptRef
from tests.shared.broker.conftest import LANE, Listen
from tests.shared.broker.heard import Heard
from tests.waiting import eventually

SendTo = Callable[[str], Dispatcher]


def kill(server: EmbeddedValkey) -> None:
    assert server.pid is not None
    process = psutil.Process(server.pid)
    process.kill()
    eventually(lambda: not server.alive())


def dispatch_when_back(dispatcher: Dispatcher, *jobs: str) -> None:
    def sent() -> bool:
        try:
            dispatcher.dispatch(LANE, [AttemptRef(job_id=job, attempt=1) for job in jobs])
        except Unavailable:
            return False
        return True

    eventually(sent)


def test_a_lane_goes_on_after_redis_was_killed_and_started_again(
    own_valkey: EmbeddedValkey, dispatcher_to: SendTo, listen: Listen
) -> None:
    heard = Heard()
    listen(own_valkey.url, heard)
    dispatcher = dispatcher_to(own_valkey.url)
    for count in (1, 2):
        dispatch_when_back(dispatcher, f"job_{count}")
        heard.wait(count)
        kill(own_valkey)
        own_valkey.start()
    dispatch_when_back(dispatcher, "job_3")
    heard.wait(3)


def test_a_worker_may_start_before_redis(own_valkey: EmbeddedValkey, dispatcher_to: SendTo, listen: Listen) -> None:
    url = own_valkey.url
    own_valkey.stop()
    heard = Heard()
    listen(url, heard)
    own_valkey.start()
    dispatch_when_back(dispatcher_to(url), "job_1")
    heard.wait(1)


def test_a_worker_without_redis_that_stops_waits_for_no_other_try(
    own_valkey: EmbeddedValkey, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("_FIRST_PAUSE", "_LONGEST_PAUSE"):
        monkeypatch.setattr(f"shared.broker.outage.{pause}", 600.0)
    worker = listen(own_valkey.url, Heard())
    with capture_logs() as logs:
        own_valkey.stop()
        eventually(lambda: logs)
    worker.stop(timeout=60)
    assert not any(thread.is_alive() for thread in worker._worker.consumers.values())


def test_a_wiped_redis_costs_no_later_hint(
    valkey: str, dispatcher: Dispatcher, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.broker.consumer.SLOW_POLL", 600.0)
    heard = Heard()
    listen(valkey, heard)
    with redis.Redis.from_url(valkey) as client:
        for count in (1, 2, 3):
            client.flushall()
            client.script_flush()
            dispatcher.dispatch(LANE, [AttemptRef(job_id="job_1", attempt=count)])
            heard.wait(count)


def test_what_ended_during_an_outage_is_acknowledged_after_it(
    own_valkey: EmbeddedValkey, dispatcher_to: SendTo, listen: Listen
) -> None:
    release = Event()
    heard = Heard(then=lambda _: release.wait(60))
    listen(own_valkey.url, heard)
    dispatcher_to(own_valkey.url).dispatch(LANE, [AttemptRef(job_id="job_1", attempt=1)])
    heard.wait(1)
    with redis.Redis.from_url(own_valkey.url) as client:
        assert client.hlen(f"test:{LANE}.msgs") == 1
        client.bgrewriteaof()
        eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
        kill(own_valkey)
        release.set()
        own_valkey.start()
        eventually(lambda: not client.exists(f"test:{LANE}.msgs"))
    assert heard.executes == [("job_1", 1)]


def test_a_hint_whose_delivery_was_cut_off_is_heard_after_all(
    valkey: str, dispatcher: Dispatcher, listen: Listen
) -> None:
    heard = Heard()
    listen(valkey, heard)
    dispatcher.dispatch(LANE, [AttemptRef(job_id="job_1", attempt=1)])
    heard.wait(1)
    dispatcher.dispatch("mini.aside", [AttemptRef(job_id="job_2", attempt=1)])
    with redis.Redis.from_url(valkey) as client:
        (worker,) = client.zrange("test:__heartbeats__", 0, -1)
        ((redis_id, body),) = client.hgetall("test:mini.aside.msgs").items()
        client.hset(f"test:{LANE}.msgs", redis_id, body.replace(b"mini.aside", LANE.encode()))
        client.sadd(f"test:__acks__.{worker.decode()}.{LANE}", redis_id)
        client.client_kill_filter(_type="normal", skipme=True)
    heard.wait(2)


def test_sending_to_a_dead_redis_fails_without_a_wait(own_valkey: EmbeddedValkey, dispatcher_to: SendTo) -> None:
    dispatcher = dispatcher_to(own_valkey.url)
    own_valkey.stop()
    with pytest.raises(Unavailable, match="refused"):
        dispatcher.dispatch(LANE, [AttemptRef(job_id="job_1", attempt=1)])


def test_sending_to_a_silent_redis_fails_once_and_then_asks_nobody_for_a_second(
    own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * dispatching._TIMEOUT < 1, "to connect and to be answered"
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(dispatching, "time", clock)
    server = psutil.Process(own_valkey.pid)
    with closing(Dispatcher(own_valkey.url, "test")) as dispatcher:
        server.send_signal(signal.SIGSTOP)
        try:
            for why in ("Timeout", "a moment ago"):
                with pytest.raises(Unavailable, match=why):
                    dispatcher.dispatch(LANE, [AttemptRef(job_id="job_1", attempt=1)])
        finally:
            server.send_signal(signal.SIGCONT)
        clock.now += 1
        dispatch_when_back(dispatcher, "job_1")


def test_the_password_is_in_no_error_and_no_log(
    listen: Listen, dispatcher_to: SendTo, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://:letmein@127.0.0.1:{closed.getsockname()[1]}/0"
    with capture_logs() as logs:
        listen(url, Heard())
        eventually(lambda: logs)
    with pytest.raises(Unavailable) as raised:
        dispatcher_to(url).dispatch(LANE, [AttemptRef(job_id="job_1", attempt=1)])
    assert str(urlsplit(url).port) in str(raised.value)
    assert "lost Redis" in logs[0]["event"]
    assert "letmein" not in f"{raised.value} {raised.value.problem!r} {logs} {caplog.text}"


@pytest.mark.parametrize("url", ["http://:letmein@127.0.0.1", "redis://:let#me@127.0.0.1:99/0", "letmein"])
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        LaneWorker(url, "test", LANE, print, print)
    assert "let" not in str(raised.value)
    assert raised.value.__cause__ is None
