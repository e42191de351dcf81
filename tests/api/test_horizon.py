"""Events are handed out once they are settled: whatever order their transactions commit in, none is skipped."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from api.horizon import PATIENCE, Horizon


def test_it_moves_over_numbers_that_follow_each_other() -> None:
    horizon = Horizon(4)
    assert not horizon.advance([5, 6, 7], oldest=1, now=0.0)
    assert horizon.settled == 7


def test_it_waits_at_a_gap_while_an_older_transaction_runs() -> None:
    horizon = Horizon(4)
    assert horizon.advance([5, 7], oldest=100, now=0.0)
    horizon.watch(103, now=0.0)
    assert not horizon.advance([7], oldest=102, now=60.0)
    assert horizon.settled == 5
    assert not horizon.advance([6, 7], oldest=102, now=60.0)
    assert horizon.settled == 7


def test_it_moves_over_a_gap_that_nobody_can_fill_any_more() -> None:
    horizon = Horizon(4)
    assert horizon.advance([6], oldest=100, now=0.0)
    horizon.watch(101, now=0.0)
    assert not horizon.advance([6], oldest=101, now=PATIENCE / 2)
    assert horizon.settled == 4, "the number may just have been drawn"
    horizon.advance([6], oldest=101, now=PATIENCE)
    assert horizon.settled == 6


def test_a_gap_behind_a_gap_is_waited_for_anew() -> None:
    horizon = Horizon(0)
    horizon.advance([4], oldest=10, now=0.0)
    horizon.watch(12, now=0.0)
    assert horizon.advance([2, 4], oldest=12, now=1.0), "3 is a gap of its own"
    assert horizon.settled == 2


class History:
    """Transactions that begin in order, draw numbers as they like, and commit or roll back when they like."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._running: dict[int, set[int]] = {}
        self._drawn = 0
        self._begun = 0
        self._horizon = Horizon(0)
        self.committed: set[int] = set()
        self.handed: set[int] = set()

    def begin(self) -> None:
        self._begun += 1
        self._running[self._begun] = set()

    def draw(self) -> None:
        if self._running:
            self._drawn += 1
            self._running[self._random.choice(list(self._running))].add(self._drawn)

    def end(self, *, commits: bool) -> None:
        if self._running:
            numbers = self._running.pop(self._random.choice(list(self._running)))
            self.committed |= numbers if commits else set()

    def look(self, now: float) -> None:
        before = self._horizon.settled
        oldest = min(self._running, default=self._begun + 1)
        numbers = sorted(number for number in self.committed if number > before)
        if self._horizon.advance(numbers, oldest, now):
            self._horizon.watch(self._begun + 1, now)
        self.handed |= {number for number in self.committed if before < number <= self._horizon.settled}

    def finish(self, now: float) -> None:
        """Everything still running commits; the numbers that were rolled back are given up one gap at a time."""
        while self._running:
            self.end(commits=True)
        for second in range(2 * self._drawn + 2):
            self.look(now + 1 + second)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["begin", "draw", "commit", "rollback", "look"]), max_size=60), st.randoms())
def test_no_order_of_commits_makes_it_skip_an_event(steps: list[str], random: Random) -> None:
    history = History(random)
    for moment, step in enumerate(steps):
        if step == "begin":
            history.begin()
        elif step == "draw":
            history.draw()
        elif step == "look":
            history.look(moment / 10)
        else:
            history.end(commits=step == "commit")
    history.finish(len(steps) / 10)
    assert history.handed == history.committed
