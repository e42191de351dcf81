"""Whether a disk has room for a model, said with numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.store.disk_room import DiskRoom
from shared.units import GIB, MIB

ROOM = DiskRoom("mini", need=4 * GIB, free=6 * GIB, reserve=GIB)


@pytest.mark.parametrize(
    ("room", "lacks"),
    [
        (ROOM, 0),
        (replace(ROOM, free=5 * GIB), 0),
        (replace(ROOM, free=5 * GIB - 1), 1),
        (replace(ROOM, promised=3 * GIB), 2 * GIB),
        (replace(ROOM, free=0, need=0), 0),
    ],
)
def test_what_stays_free_and_what_others_were_promised_is_no_room(room: DiskRoom, lacks: int) -> None:
    assert (room.lacks, room.fits) == (lacks, lacks == 0)


def test_a_model_that_is_there_needs_no_room() -> None:
    assert replace(ROOM, need=0).sentence == "its files are there"


def test_a_disk_with_room_is_told_in_numbers() -> None:
    assert ROOM.sentence == "4.0 GiB are to come; mini has 6.0 GiB of disk free, and 1.0 GiB must stay free"


@pytest.mark.parametrize(
    ("deletable", "remedy"),
    [
        (3 * GIB, "cidermill models gc --host mini --free 7169MiB would free 3.0 GiB"),
        (1 * GIB, "cidermill models gc --host mini --free 7169MiB would free 1.0 GiB, which is not enough"),
        (0, "no model there may be deleted to make room"),
    ],
)
def test_a_disk_without_room_says_what_would_help(deletable: int, remedy: str) -> None:
    full = replace(ROOM, free=5 * GIB, promised=2 * GIB + MIB // 2, deletable=deletable)
    assert full.sentence == (
        "would not fit on disk: 4.0 GiB are to come; mini has 5.0 GiB of disk free, 2.0 GiB of them for other "
        f"downloads, and 1.0 GiB must stay free; {remedy}"
    )
