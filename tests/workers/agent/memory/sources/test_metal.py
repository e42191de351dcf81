"""The GPU's own word on how much it may wire, and what holds until it has given it."""

from __future__ import annotations

import sys

import pytest

from tests.workers.agent.memory.readings import gib
from workers.agent.memory.sources.metal import Recommendation, ask_in_a_child


class Device:
    """A GPU that answers in its own time."""

    def __init__(self, *answers: int | None) -> None:
        self._answers = list(answers)
        self.asked = 0
        self.seconds = 0.0

    def ask(self) -> int | None:
        self.asked += 1
        return self._answers.pop(0)

    def recommendation(self) -> Recommendation:
        return Recommendation(self.ask, lambda: self.seconds)


def test_a_device_is_asked_once() -> None:
    device = Device(gib(52))
    recommendation = device.recommendation()
    assert [recommendation.of(gib(64)) for _ in range(3)] == [gib(52)] * 3
    assert device.asked == 1


def test_a_machine_without_a_gpu_has_no_cap() -> None:
    assert Device(0).recommendation().of(gib(64)) is None


def test_until_a_silent_device_answers_the_least_that_is_known_holds() -> None:
    device = Device(None, gib(52))
    recommendation = device.recommendation()
    assert recommendation.of(gib(60)) == gib(40)
    device.seconds = 30
    assert recommendation.of(gib(60)) == gib(40)
    assert device.asked == 1
    device.seconds = 61
    assert recommendation.of(gib(60)) == gib(52)


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac answers")
def test_where_there_is_no_metal_nothing_answers() -> None:
    assert ask_in_a_child() is None
