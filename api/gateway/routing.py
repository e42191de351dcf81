"""Which of the runs that could answer a request does; pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from shared.runtimes import Endpoint
from shared.vocabulary import RunState

#: Requests that may always wait for a slot, and that may while nobody knows how long one takes; in slots of the run.
_FEW, _MANY = 4, 32
#: Seconds to wait for a slot at most; who would wait longer is told when to come back.
LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How the front door gets to a run: where its paths begin, and the key of passes when that is an agent."""

    url: str
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run of the wanted model, as the database had it a moment ago."""

    id: str
    generation: int
    state: RunState
    host: str | None
    model: str
    slots: int
    #: Slots that jobs hold.
    busy: int
    endpoint: Endpoint | None = None
    #: `None` when it answers where the front door cannot get to.
    reach: Reach | None = None
    #: Tokens of a slot; 0 while nobody knows.
    context: int = 0
    #: Why it waits, and the seconds until it will not, as the scheduler knows them.
    why: str | None = None
    seconds: float | None = None

    @property
    def ready(self) -> bool:
        return self.state == RunState.READY and self.endpoint is not None


@dataclass(frozen=True, slots=True)
class Load:
    """What requests make of one run: how many are in flight, and the mean seconds of those that are over."""

    requests: int = 0
    seconds: float | None = None


_NONE = Load()


def choose(
    runs: Sequence[Candidate], loads: Mapping[str, Load], avoid: Collection[str] = (), warm: str | None = None
) -> Candidate | None:
    """The ready run to ask: the warm one while it has a slot, else the one with the most room for its size.

    `warm` is the run that last read the beginning of this prompt. `None` when no ready run can be reached, or all have
    more to do than anybody should wait for.
    """
    open_ = [
        run
        for run in runs
        if run.ready and run.reach is not None and run.id not in avoid and wait(run, _of(run, loads)) <= LONGEST_WAIT
    ]
    for run in open_:
        if run.id == warm and _filled(run, loads) < 1:
            return run
    return min(open_, key=lambda run: (_filled(run, loads), run.id), default=None)


def wait(run: Candidate, load: Load) -> float:
    """Seconds until one more request gets a slot of this run; infinite when nobody knows and many wait."""
    ahead = run.busy + load.requests - run.slots
    if ahead < run.slots * _FEW:
        return 0.0
    if load.seconds is None:
        return 0.0 if ahead < run.slots * _MANY else math.inf
    return (ahead + 1) / run.slots * load.seconds


def _filled(run: Candidate, loads: Mapping[str, Load]) -> float:
    return (run.busy + _of(run, loads).requests) / max(run.slots, 1)


def _of(run: Candidate, loads: Mapping[str, Load]) -> Load:
    return loads.get(run.id, _NONE)
