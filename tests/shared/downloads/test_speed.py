"""How fast bytes came is measured by kind of source, over the time in which any of them came."""

from __future__ import annotations

import contextlib

from shared.downloads.speed import Speed
from shared.protocol import Transfer
from shared.vocabulary import Source


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class File:
    """A partial file."""

    def __init__(self, size: int = 0) -> None:
        self.size = size

    def __call__(self) -> int:
        return self.size


def test_only_what_came_within_counts_and_only_for_its_source() -> None:
    clock, file = Clock(), File(1000)
    speed = Speed(clock)
    with speed.timing(Source.PEER, file):
        clock.now, file.size = 4.0, 3000
    with speed.timing(Source.HUB, file):
        clock.now, file.size = 14.0, 8000
    assert speed.transfers() == [
        Transfer(source="peer", bytes=2000, seconds=4.0),
        Transfer(source="hub", bytes=5000, seconds=10.0),
    ]


def test_files_that_come_side_by_side_share_their_time() -> None:
    clock, one, other = Clock(), File(), File()
    speed = Speed(clock)
    with speed.timing(Source.HUB, one):
        clock.now = 2.0
        with speed.timing(Source.HUB, other):
            clock.now, other.size = 5.0, 300
        clock.now, one.size = 10.0, 700
    clock.now = 100.0
    with speed.timing(Source.HUB, one):
        clock.now, one.size = 110.0, 1700
    assert speed.transfers() == [Transfer(source="hub", bytes=2000, seconds=20.0)]


def test_a_try_that_failed_counts_what_it_brought_and_a_cleared_file_nothing() -> None:
    clock, file = Clock(), File()
    speed = Speed(clock)
    with contextlib.suppress(ConnectionError), speed.timing(Source.PEER, file):
        clock.now, file.size = 3.0, 600
        raise ConnectionError
    with speed.timing(Source.PEER, file):
        clock.now, file.size = 4.0, 0
    assert speed.transfers() == [Transfer(source="peer", bytes=600, seconds=4.0)]


def test_where_nothing_came_nothing_is_told() -> None:
    speed = Speed(Clock())
    with speed.timing(Source.PEER, File()):
        pass
    assert speed.transfers() == []
