"""The outlook of a model on a host: now, after evictions, later or never, and how large."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.runtimes import RunSpec
from shared.store.disk_room import DiskRoom
from shared.store.outlook import Fits, IdleRun, Room, largest_context, outlook
from shared.store.recommended import ANY_HOST, recommended
from shared.units import GIB

FULL = DiskRoom("mini", need=5 * GIB, free=5 * GIB, reserve=GIB)
QWEN = next(one for one in recommended() if "Qwen3-8B" in one.model).prospect()


def room(held: float = 0, budget: float = 16, *idle: float, capacity: float | None = None) -> Room:
    runs = tuple(IdleRun(f"run-{i}", f"model-{i}", int(size * GIB), float(i)) for i, size in enumerate(idle))
    return Room("mini", int(budget * GIB), int((capacity or budget) * GIB), int(held * GIB), runs)


@pytest.mark.parametrize(
    ("where", "fits", "evicted"),
    [
        (room(0), Fits.NOW, []),
        (room(12, 16, 4, 4, 4), Fits.AFTER_EVICTION, ["run-0"]),
        (room(15, 16, 1, 4, 4), Fits.AFTER_EVICTION, ["run-0", "run-1", "run-2"]),
        (room(15, 16, 1), Fits.LATER, []),
        (room(0, 4, capacity=16), Fits.LATER, []),
        (room(0, 4), Fits.NEVER, []),
        (replace(room(0), closed="it is cordoned"), Fits.LATER, []),
        (replace(room(0), disk=FULL), Fits.NO_DISK, []),
        (replace(room(0, 4), disk=FULL), Fits.NEVER, []),
        (replace(room(0), disk=replace(FULL, need=0)), Fits.NOW, []),
    ],
)
def test_a_model_of_six_gibibytes_fits(where: Room, fits: Fits, evicted: list[str]) -> None:
    found = outlook(QWEN, ANY_HOST, RunSpec(), where)
    assert (found.fits, [run.id for run in found.evicts]) == (fits, evicted)
    assert "6.2 GiB" in found.reason


def test_the_largest_context_is_what_the_memory_holds() -> None:
    found = outlook(QWEN, ANY_HOST, RunSpec(), room(8))
    assert found.largest == 40960
    assert found.largest_now is not None
    assert found.largest_now < 40960
    assert outlook(QWEN, ANY_HOST, RunSpec(), room(13)).largest_now is None


@given(some.integers(0, 10**6), some.integers(1, 1000), some.integers(0, 2 * 10**8))
def test_the_largest_context_fits_and_the_next_one_does_not(base: int, each: int, limit: int) -> None:
    most = 131072

    def total(context: int) -> int:
        return base + each * context

    found = largest_context(total, limit, most)
    if found is None:
        assert total(256) > limit
    else:
        assert total(found) <= limit
        assert found == most or total(found + 256) > limit


def test_recommended_models_are_named_checked_and_free() -> None:
    for one in recommended():
        assert one.licence in {"apache-2.0", "mit"}
        assert len(bytes.fromhex(one.sha256)) == 32
        assert outlook(one.prospect(), ANY_HOST, RunSpec(), room(0, 64)).size.need.total > one.size
