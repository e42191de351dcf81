"""The ceiling: what may be promised to runs on a machine that others use too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.units import GIB, Bytes
from tests.workers.agent.memory.readings import gib, reading
from workers.agent.memory.ceiling import Bound, Ceiling, Mode, Policy, ceiling_of, highest
from workers.agent.memory.reading import Reading


@pytest.mark.parametrize(
    ("total", "mode", "reserve"),
    [
        (8, Mode.SAFE, 8 / 3),
        (8, Mode.AGGRESSIVE, 8 / 3),
        (15, Mode.BALANCED, 4),
        (16, Mode.SAFE, 16 / 3),
        (16, Mode.AGGRESSIVE, 16 / 3),
        (24, Mode.SAFE, 8),
        (24, Mode.BALANCED, 8),
        (24, Mode.AGGRESSIVE, 6),
        (36, Mode.SAFE, 12),
        (64, Mode.SAFE, 12),
        (64, Mode.BALANCED, 8),
        (128, Mode.AGGRESSIVE, 6),
    ],
)
def test_the_reserve_follows_the_mode_and_never_takes_over_a_third(total: int, mode: Mode, reserve: float) -> None:
    assert Policy(mode).reserved(gib(total)) == pytest.approx(gib(reserve), abs=1)


@pytest.mark.parametrize(
    ("given_", "mode", "size", "bound"),
    [
        # A Mac mini that nobody else uses: the reserve decides, or Metal where it allows less.
        (reading(64, idle=60), Mode.BALANCED, 56, Bound.RESERVE),
        (reading(64, idle=60, metal_cap=51.84), Mode.BALANCED, 51.84, Bound.METAL),
        (reading(16, idle=14, metal_cap=11.84), Mode.BALANCED, 32 / 3, Bound.RESERVE),
        (reading(128, idle=120, metal_cap=107.52), Mode.SAFE, 107.52, Bound.METAL),
        # Other applications: a browser with 30 GiB, part of which the system could compress.
        (reading(64, idle=20, active=20), Mode.SAFE, 24, Bound.OTHERS),
        (reading(64, idle=20, active=20), Mode.BALANCED, 30, Bound.OTHERS),
        (reading(64, idle=20, active=20), Mode.AGGRESSIVE, 36, Bound.OTHERS),
        # What runs hold is theirs.
        (reading(64, idle=4, own=40), Mode.BALANCED, 44, Bound.OTHERS),
        # Weights mapped from a file are the run's and idle at once; they count once.
        (reading(64, idle=30, own=20, own_kept=2), Mode.BALANCED, 32, Bound.OTHERS),
    ],
)
def test_the_tightest_of_three_limits_is_the_ceiling(given_: Reading, mode: Mode, size: float, bound: Bound) -> None:
    ceiling = ceiling_of(given_, Policy(mode))
    assert ceiling.size == pytest.approx(gib(size), abs=2)
    assert ceiling.bound == bound


def test_a_reserve_of_ones_own_replaces_the_modes() -> None:
    assert ceiling_of(reading(64, idle=63), Policy(reserve=gib(2))).size == gib(62)
    assert ceiling_of(reading(64, idle=63), Policy(reserve=gib(100))).size == 0


@given(st.integers(0, 2**44))
def test_a_fixed_budget_is_never_a_byte_less_than_asked(budget: int) -> None:
    ceiling = ceiling_of(reading(8, idle=1), Policy(fixed=Bytes(budget)))
    assert budget <= ceiling.budget <= budget + 1
    assert ceiling.bound == Bound.FIXED


_SIZE = st.integers(0, 256 * GIB).map(Bytes)


@st.composite
def _readings(draw: st.DrawFn) -> Reading:
    total = draw(st.integers(GIB, 512 * GIB))
    own = draw(st.integers(0, total))
    idle = draw(st.integers(0, total - own))
    active = draw(st.integers(0, total - own - idle))
    cap = draw(st.none() | st.integers(GIB // 2, total))
    return Reading(
        Bytes(total), Bytes(own), Bytes(draw(st.integers(0, own))), Bytes(idle), Bytes(active),
        None if cap is None else Bytes(cap),
    )  # fmt: skip


_POLICIES = st.builds(Policy, st.sampled_from(Mode), st.none() | _SIZE)


@given(_readings(), _POLICIES)
def test_no_ceiling_is_above_the_machine_less_its_reserve_or_above_metals_cap(seen: Reading, policy: Policy) -> None:
    ceiling = ceiling_of(seen, policy)
    assert 0 <= ceiling.size <= seen.total - policy.reserved(seen.total)
    assert seen.metal_cap is None or ceiling.size <= seen.metal_cap
    assert ceiling.size <= highest(seen, policy).size
    assert ceiling.budget <= ceiling.size


@given(_readings(), _POLICIES, _SIZE)
def test_a_run_that_takes_idle_memory_does_not_lower_the_ceiling(seen: Reading, policy: Policy, taken: Bytes) -> None:
    taken = Bytes(min(taken, seen.idle))
    after = Reading(
        seen.total, Bytes(seen.own + taken), Bytes(seen.own_kept + taken), Bytes(seen.idle - taken), seen.active,
        seen.metal_cap,
    )  # fmt: skip
    assert ceiling_of(after, policy) == ceiling_of(seen, policy)


@given(_readings(), st.none() | _SIZE)
def test_a_bolder_mode_never_gives_less(seen: Reading, reserve: Bytes | None) -> None:
    sizes: list[Ceiling] = [ceiling_of(seen, Policy(mode, reserve)) for mode in Mode]
    assert sizes[0].size <= sizes[1].size <= sizes[2].size
