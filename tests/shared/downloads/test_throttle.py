from __future__ import annotations

import threading
import time

import pytest

from shared.downloads.interrupt import Interrupt, Interrupted
from shared.downloads.meter import Meter
from shared.downloads.throttle import Throttle


class Recorded(Interrupt):
    """Waits by moving the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("piece", [1_000, 65_536, 8_000_000])
def test_the_mean_holds_for_pieces_of_any_size(piece: int) -> None:
    clock = Recorded()
    throttle = Throttle(1_000_000, lambda: clock.now)
    count = 40_000_000 // piece
    for _ in range(count):
        throttle.take(piece, clock)
    assert count * piece / clock.now == pytest.approx(1_000_000, rel=0.02)


def test_without_a_limit_nobody_waits() -> None:
    clock = Recorded()
    throttle = Throttle(None, lambda: clock.now)
    throttle.take(10**12, clock)
    assert clock.now == 0
    throttle.share(1000)
    throttle.take(1000, clock)
    assert 0 < clock.now <= 1


def test_the_lower_of_both_rates_counts() -> None:
    throttle = Throttle(500)
    assert throttle.rate == 500
    throttle.share(200)
    assert throttle.rate == 200
    throttle.share(900)
    assert throttle.rate == 500
    throttle.share(None)
    assert throttle.rate == 500


def test_a_pause_is_not_saved_up() -> None:
    clock = Recorded()
    throttle = Throttle(1_000, lambda: clock.now)
    clock.now = 3600.0
    throttle.take(2_000, clock)
    assert clock.now >= 3601.5


def test_many_threads_keep_one_rate() -> None:
    throttle, interrupt = Throttle(2_000_000), Interrupt()

    def transfer() -> None:
        for _ in range(25):
            throttle.take(10_000, interrupt)

    threads = [threading.Thread(target=transfer) for _ in range(4)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began >= 0.2


def test_who_waits_for_its_turn_can_be_interrupted() -> None:
    interrupt = Interrupt()
    threading.Timer(0.05, interrupt.set).start()
    with pytest.raises(Interrupted):
        Meter(None, Throttle(1)).pace(1_000_000, interrupt)
