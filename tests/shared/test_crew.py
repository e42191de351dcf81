"""Pieces done side by side, until somebody hands them back."""

from __future__ import annotations

import threading

import pytest

from shared.crew import side_by_side
from shared.errors import Cancelled, HandedBack
from shared.loopback import Check


@pytest.mark.parametrize("width", [1, 4])
def test_every_piece_is_done_once(width: int) -> None:
    done = side_by_side(range(20), lambda piece, _: piece, width, lambda: None)
    assert sorted(done) == list(range(20))


def test_what_was_done_before_a_hand_back_is_not_lost() -> None:
    """Three answers lie ready when the work is handed back; the fourth piece waits for ever."""
    finished, stuck = threading.Semaphore(0), threading.Event()

    def work(piece: int, check: Check) -> int:
        if piece == 3:
            stuck.set()
            while True:
                check()
        finished.release()
        return piece

    def check() -> None:
        assert stuck.wait(60)
        for _ in range(3):
            assert finished.acquire(timeout=60)
        raise HandedBack("The job gives way")

    kept: list[int] = []
    with pytest.raises(HandedBack):
        kept.extend(side_by_side(range(4), work, 4, check))
    assert sorted(kept) == [0, 1, 2]


def test_a_cancel_ends_all_at_once() -> None:
    def check() -> None:
        raise Cancelled("Somebody asked for it")

    with pytest.raises(Cancelled):
        list(side_by_side(range(4), lambda piece, _: piece, 2, check))


def test_no_more_run_at_once_than_there_is_room_for_now() -> None:
    room, busy, most, lock = [4], [0], [0], threading.Lock()

    def work(piece: int, _: object) -> int:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0]) if piece >= 20 else 0
        if piece == 10:
            room[0] = 1
        threading.Event().wait(0.002)
        with lock:
            busy[0] -= 1
        return piece

    assert sorted(side_by_side(range(40), work, 4, lambda: None, lambda: room[0])) == list(range(40))
    assert most[0] == 1
