"""Which slot a prompt gets, and that none is ever lost: whoever leaves, at whatever moment."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from workers.runtimes.boot import llama_reading
from workers.runtimes.boot.llama_reading import Reading
from workers.runtimes.boot.llama_slots import Slot, Slots, best

_A, _B = b"[{user: a" + b"a" * 600, b"[{user: b" + b"b" * 600


async def turns(count: int) -> None:
    """Let others run so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def over(tasks: list[asyncio.Task[None]]) -> None:
    """All of them end, done or cancelled."""
    async with asyncio.timeout(60):
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize(
    ("known", "prompt", "index"),
    [
        # Unused ones first, also for who shares an opening; a conversation goes on where it was.
        ([(_A, 1), (b"", 0)], _B, 1), ([(_A, 1), (b"", 0)], _A + b", more", 0), ([(_A, 1), (b"", 0)], _A[:500], 1),
        # Then who knows half of it, else the oldest.
        ([(_A, 1), (_B, 2)], _B[:500] + b"x", 1), ([(_A, 2), (_B, 1)], b"[{user: c", 1),
        ([(_A, 2), (_B, 1)], _A[:20] + b"c" * 600, 1),
    ],
)  # fmt: skip
def test_the_slot_that_is_best(known: list[tuple[bytes, int]], prompt: bytes, index: int) -> None:
    slots = [Slot(place, text, 100, 120, given) for place, (text, given) in enumerate(known)]
    assert best(slots, prompt).index == index


def test_what_a_slot_knows() -> None:
    slot = Slot(0, b"abcdefgh", 80, 120)
    assert (slot.knows(b"abcdefgh, and more"), slot.knows(b"abcdxxxx"), slot.knows(b"x")) == (120, 40, 0)
    assert Slot(0).knows(b"abc") == 0


@pytest.mark.parametrize("seed", range(30))
def test_no_slot_is_lost_and_nobody_waits_beside_a_free_one(seed: int) -> None:
    rng = random.Random(seed)

    async def use(slots: Slots, width: int, release: asyncio.Event, *, urgent: bool) -> None:
        async with slots.taken(b"prompt", width, urgent=urgent):
            await release.wait()

    async def scenario() -> None:
        slots, tasks = Slots(3), list[tuple[asyncio.Task[None], asyncio.Event]]()
        for _ in range(60):
            release = asyncio.Event()
            task = asyncio.create_task(use(slots, rng.choice((1, 1, 1, 2, 9)), release, urgent=rng.random() < 0.5))
            tasks.append((task, release))
            for other, event in rng.sample(tasks, min(len(tasks), rng.randint(0, 3))):
                rng.choice((event.set, other.cancel, lambda: None))()
            await turns(rng.randint(0, 3))
        for _, event in tasks:
            event.set()
        await over([task for task, _ in tasks])
        assert sorted(slot.index for slot in slots._free) == [0, 1, 2]

    asyncio.run(scenario())


def test_several_answers_take_the_slots_that_llama_cpp_gives_them() -> None:
    async def scenario() -> None:
        slots = Slots(4)
        async with slots.taken(_A, 1, urgent=True) as slot:
            slot.holds(_A, 200, 220)
        async with slots.taken(_B, 1, urgent=True), slots.taken(_A, 2, urgent=True) as slot:
            assert slot.index == 0
            assert [one.index for one in slots._free] == [3]

    asyncio.run(scenario())


def test_who_leaves_just_as_a_slot_is_given_back_breaks_nothing() -> None:
    async def scenario() -> None:
        slots, go = Slots(1), asyncio.Event()

        async def use() -> None:
            async with slots.taken(b"x", 1, urgent=True):
                await go.wait()

        first, second = asyncio.create_task(use()), asyncio.create_task(use())
        await asyncio.sleep(0)
        go.set()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert len(slots._free) == 1

    asyncio.run(scenario())


def test_a_person_takes_the_slot_that_a_wider_job_waits_beside() -> None:
    async def scenario() -> None:
        slots = Slots(2)
        async with slots.taken(b"a", 1, urgent=True):

            async def wide() -> None:
                async with slots.taken(b"b", 2, urgent=False):
                    pass

            job = asyncio.create_task(wide())
            await asyncio.sleep(0)
            async with asyncio.timeout(60), slots.taken(b"c", 1, urgent=True) as slot:
                assert slot.index == 1
            assert not job.done()
        await job

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", range(30))
def test_chunks_are_read_one_at_a_time_whoever_leaves(seed: int) -> None:
    rng = random.Random(seed)
    busy: list[int] = []

    async def read(reading: Reading, number: int, *, urgent: bool) -> None:
        async with reading.prompt(urgent=urgent):
            for _ in range(3):
                async with reading.chunk(urgent=urgent):
                    assert not busy
                    busy.append(number)
                    try:
                        await asyncio.sleep(0)
                    finally:
                        busy.remove(number)

    async def alone(reading: Reading) -> None:
        async with reading.alone():
            assert not busy
            await asyncio.sleep(0)

    async def scenario() -> None:
        reading, tasks = Reading(), list[asyncio.Task[None]]()
        for number in range(40):
            who = alone(reading) if rng.random() < 0.2 else read(reading, number, urgent=rng.random() < 0.5)
            tasks.append(asyncio.create_task(who))
            if rng.random() < 0.4:
                rng.choice(tasks).cancel()
            await turns(rng.randint(0, 4))
        await over(tasks)
        assert not reading._line
        assert not any(reading._now.values())

    asyncio.run(scenario())


@pytest.mark.parametrize(("polite", "times", "first"), [(60, 0, True), (0, 10**9, True), (0, 0, False)])
def test_people_are_read_before_jobs_for_a_time(
    monkeypatch: pytest.MonkeyPatch, polite: float, times: int, first: bool
) -> None:
    """That is for some seconds, and longer where the job's last chunk took long itself, as pictures do."""
    monkeypatch.setattr(llama_reading, "_POLITE", polite)
    monkeypatch.setattr(llama_reading, "_TIMES", times)
    order: list[str] = []

    async def read(reading: Reading, who: str) -> None:
        urgent = who == "person"
        async with reading.prompt(urgent=urgent):
            for _ in range(3):
                async with reading.chunk(urgent=urgent):
                    order.append(who)
                    await asyncio.sleep(0)

    async def scenario() -> None:
        reading = Reading()
        await asyncio.gather(read(reading, "job"), read(reading, "person"))

    asyncio.run(scenario())
    assert (order == ["job", "person", "person", "person", "job", "job"]) is first
    assert sorted(order) == ["job"] * 3 + ["person"] * 3
