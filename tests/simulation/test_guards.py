"""Every guard is needed: the simulation finds out when any one of them is taken away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.ablation import all_guards, without
from tests.simulation.seed import play
from tests.simulation.stage import Stage

#: Seeds at most; most guards are missed at once, …
PATIENCE = 150
#: … and some need several accidents in a row: at this seed they came together when it was last looked for. It changes
#: with the code, so the others are played after it.
FIRST = {"owned": 96, "run_owned": 18, "due": 18, "within_limits": 9}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    opened = Stage()
    yield opened
    opened.close()


@pytest.mark.parametrize("guard", sorted(all_guards()))
def test_a_guard_that_is_taken_away_is_missed(stage: Stage, guard: str) -> None:
    first = FIRST.get(guard, 0)
    with without(guard):
        assert any(play(seed, stage).violations for seed in (*range(first, PATIENCE), *range(first))), (
            f"nothing needs the guard {guard!r}"
        )


def test_a_guard_is_back_after_it_was_taken_away() -> None:
    before = all_guards()
    for guard in before:
        with without(guard):
            assert all_guards().get(guard) is not before[guard]
    assert all_guards() == before
