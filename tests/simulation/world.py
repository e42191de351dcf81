"""The world of one seed: time, chance, and calls to the database that may get lost on the way."""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from shared.settings import Settings
from tests.simulation.faults import CALM, Faults
from tests.simulation.lanes import Lanes
from tests.simulation.ledger import Key, Ledger
from tests.simulation.loop import Loop
from tests.simulation.process import Process
from tests.simulation.stage import BEGINNING, Stage

T = TypeVar("T")

#: Shorter than in earnest, in the same proportions: more can happen in a short life.
SETTINGS = Settings(
    lease_seconds=6.0, sync_seconds=2.0, tick_seconds=1.0, claim_seconds=8.0, leader_seconds=5.0, max_crashes=3
)


#: Where an object lies in memory is no part of the story.
_ADDRESS = re.compile(r" object at 0x[0-9a-f]+")

#: Seconds that a worker trusts what it was told: it gives its lease up a little before the front door does.
TRUST = SETTINGS.lease_seconds - 1.0


class Lost(Exception):
    """The caller got no answer: it cannot know whether anything was done."""


class World:
    """What everybody in it shares."""

    def __init__(self, seed: int, stage: Stage, faults: Faults, *, trace: bool = False) -> None:
        # The back-off's jitter comes from the common generator.
        random.seed(seed)
        self.random = random.Random(seed)
        self.stage, self.faults = stage, faults
        self.loop = Loop(stage.time)
        self.lanes = Lanes(self)
        self.ledger = Ledger()
        self.processes: dict[Key, Process] = {}
        #: Hosts without a network, and until when.
        self.cut_off: dict[str, float] = {}
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self._trace = trace
        self._names: Counter[str] = Counter()

    @property
    def calm(self) -> bool:
        """Nothing goes wrong any more."""
        return self.faults is CALM

    # --- chance ---

    def chance(self, what: str, likelihood: float) -> bool:
        """Does it happen? What did is counted."""
        happens = likelihood > 0 and self.random.random() < likelihood
        if happens:
            self.counts[what] += 1
        return happens

    def between(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    def name(self, prefix: str) -> str:
        """A name nobody had before."""
        self._names[prefix] += 1
        return f"{prefix}{self._names[prefix]}"

    # --- calls ---

    def call(
        self,
        who: str,
        step: str,
        work: Callable[[Session], T],
        saw: Callable[[T], None] | None = None,
        *,
        host: str | None = None,
    ) -> T:
        """One transaction, looked at from all sides once it is committed. Raises Lost when the caller hears nothing."""
        calls = self.faults.calls
        self.stage.time = self.loop.now
        if self.cut_off.get(host or "", 0.0) > self.loop.now or self.chance("unsent", calls.unsent):
            raise Lost(step)
        with self.stage.database.write() as session:
            answer = work(session)
            if self.chance("rolled back", calls.rolled_back):
                raise Lost(step)
        self.say(who, step, answer)
        self.look(step)
        if saw is not None:
            saw(answer)
        if self.chance("answer lost", calls.answer_lost):
            raise Lost(step)
        return answer

    def look(self, step: str) -> None:
        self.steps += 1
        self.ledger.look(self.stage, step, self.processes)

    def say(self, who: str, step: str, what: object = "") -> None:
        if self._trace:
            line = f"{self.loop.now - BEGINNING:8.3f}  {who:<10} {step:<14} {what}"
            sys.stdout.write(_ADDRESS.sub("", line) + "\n")
