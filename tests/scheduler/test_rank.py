"""The numbers that docs/concepts/scheduling.md tells."""

from __future__ import annotations

import pytest

from scheduler.evict import eviction_cost
from scheduler.forecast import Forecast
from scheduler.rank import effective_class, placement_score, strain
from scheduler.seat import Seat
from scheduler.views import Rate
from shared.units import GIB
from tests.scheduler.fleet import NOW, run, shape


def test_the_tightest_cool_place_has_the_lowest_score() -> None:
    scores = [
        placement_score((size - 4) * GIB, 64 * GIB, strain(None, 0, heat))
        for size, heat in ((64, None), (16, None), (8, "serious"))
    ]
    assert [round(score, 2) for score in scores] == [0.94, 0.19, 1.06]


@pytest.mark.parametrize(("gib", "idle", "cost"), [(8, 10, 21), (14, 300, 7)])
def test_a_small_run_used_lately_costs_more_than_a_large_one_long_idle(gib: int, idle: float, cost: int) -> None:
    seat = Seat(run("r", held=gib * GIB, last_used_at=NOW - idle), free=1)
    assert round(eviction_cost(seat, Forecast({}), NOW)) == cost


@pytest.mark.parametrize(("rank", "minutes", "counts"), [(4, 9, 4), (4, 10, 3), (4, 90, 1), (1, 90, 1), (0, 0, 0)])
def test_ten_minutes_make_work_a_class_more_urgent_up_to_high(rank: int, minutes: float, counts: int) -> None:
    assert effective_class(rank, NOW - 60 * minutes, NOW) == counts


def test_a_share_is_used_by_slots_and_by_how_long_the_model_takes() -> None:
    forecast = Forecast({("fast", "llama-cpp"): Rate(job=1.0), ("slow", "llama-cpp"): Rate(job=3.0)})
    assert forecast.cost(shape("slow"), "llama-cpp", 2) == 3.0
    assert forecast.cost(shape("fast"), "llama-cpp", 2) == 1.0
    assert forecast.cost(shape("never-measured"), "llama-cpp", 2) == 2.0
