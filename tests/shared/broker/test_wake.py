"""The scheduler's alarm."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from threading import Thread

import psutil
import pytest
import redis

from cli.embedded.valkey import EmbeddedValkey
from shared.broker import Wake
from tests.waiting import eventually

WakeAt = Callable[[str], Wake]


@pytest.fixture
def wake_at(patient: None) -> Iterator[WakeAt]:
    alarms: list[Wake] = []

    def connect(url: str) -> Wake:
        alarms.append(Wake(url, "test"))
        return alarms[-1]

    yield connect
    for alarm in alarms:
        alarm.close()


def rings_waiting(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.llen("test:bell:scheduler"))


def test_a_ring_ends_the_wait(valkey: str, wake_at: WakeAt) -> None:
    api, scheduler = wake_at(valkey), wake_at(valkey)
    asked = time.monotonic()
    api.ring()
    assert scheduler.wait(100)
    assert time.monotonic() - asked < 60


def test_without_a_ring_the_wait_lasts(valkey: str, wake_at: WakeAt) -> None:
    asked = time.monotonic()
    assert not wake_at(valkey).wait(0.2)
    assert time.monotonic() - asked >= 0.2


def test_several_rings_are_one(valkey: str, wake_at: WakeAt) -> None:
    apis = [wake_at(valkey) for _ in range(3)]
    for _ in range(100):
        for api in apis:
            api.ring()
    eventually(lambda: rings_waiting(valkey) == 1)
    for api in apis:
        api.close()
    scheduler = wake_at(valkey)
    assert rings_waiting(valkey) == 1
    assert scheduler.wait(60)
    assert not scheduler.wait(0)


def test_ringing_without_redis_blocks_nobody_and_is_counted(own_valkey: EmbeddedValkey, wake_at: WakeAt) -> None:
    api, server = wake_at(own_valkey.url), psutil.Process(own_valkey.pid)
    server.send_signal(signal.SIGSTOP)
    api.ring()
    assert api.failures == 0, "it is still tried: Redis has half a minute for its answer"
    server.kill()
    eventually(lambda: api.failures == 1)


def test_waiting_without_redis_lasts_as_long(own_valkey: EmbeddedValkey, wake_at: WakeAt) -> None:
    own_valkey.stop()
    asked = time.monotonic()
    assert not wake_at(own_valkey.url).wait(0.3)
    assert time.monotonic() - asked >= 0.3


def test_the_alarm_works_again_when_redis_is_back(own_valkey: EmbeddedValkey, wake_at: WakeAt) -> None:
    api, scheduler = wake_at(own_valkey.url), wake_at(own_valkey.url)
    assert not scheduler.wait(0)
    own_valkey.stop()
    assert not scheduler.wait(0)
    own_valkey.start()
    api.ring()
    assert scheduler.wait(60)


def test_closing_ends_a_wait(valkey: str, wake_at: WakeAt) -> None:
    scheduler = wake_at(valkey)
    waiting = Thread(target=scheduler.wait, args=(600,))
    waiting.start()
    with redis.Redis.from_url(valkey) as client:
        eventually(lambda: client.info("clients")["blocked_clients"] == 1)
    scheduler.close()
    waiting.join(30)
    assert not waiting.is_alive()
