"""How many requests of a batch are at the engine at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.ask import Answer
from shared.batch import Batch
from shared.loopback import Check
from shared.runtimes import Endpoint
from tests.kinds import LocalContext
from tests.waiting import soon

_ENDPOINT = Endpoint(url="http://127.0.0.1:1", served_name="m", slots=4, context=4096)


@dataclass(frozen=True)
class _Item:
    index: int


@pytest.mark.parametrize(("attended", "at_once"), [(0, 4), (1, 3), (3, 1), (9, 1)])
def test_people_who_wait_for_answers_of_the_same_run_go_first(tmp_path: Path, attended: int, at_once: int) -> None:
    context, crowd = LocalContext(tmp_path, _ENDPOINT), _Crowd(at_once)
    context.attended = attended
    Batch(context, _ENDPOINT, 12, crowd.ask).run(_Item(index) for index in range(12))
    assert (len(context.items.done), crowd.most) == (12, at_once)


class _Crowd:
    """An engine that keeps its first requests until as many are there as may be, and then one more moment."""

    def __init__(self, expected: int) -> None:
        self.most = 0
        self._expected, self._busy, self._asked = expected, 0, threading.Condition()
        self._moments: Iterator[float] = iter((soon(0.1),))

    def ask(self, item: _Item, _: Check) -> Answer:
        with self._asked:
            self._busy += 1
            self.most = max(self.most, self._busy)
            self._asked.notify_all()
            assert self._asked.wait_for(lambda: self.most >= self._expected, 30), f"only {self.most} at once"
            self._asked.wait_for(lambda: self.most > self._expected, next(self._moments, 0.0))
            self._busy -= 1
        return Answer(item.index, {"usage": {}})
