"""Plays a trace: whatever happens is followed by a look and a plan, as in the scheduler's own loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scheduler.decisions import Plan
from scheduler.simulate.agenda import Agenda
from scheduler.simulate.parts import SimJob
from scheduler.simulate.score import Score, score
from scheduler.simulate.trace import Trace
from scheduler.simulate.view import View
from scheduler.simulate.world import World
from scheduler.views import Snapshot

#: From a snapshot to a plan; it may remember what it saw, but sees nothing else.
Decide = Callable[[Snapshot], Plan]

#: Seconds between looks while jobs wait and nothing happens.
TICK = 1.0
#: Seconds without any job moving after which those that wait are given up for stranded.
PATIENCE = 7200.0


class _Play:
    """One trace under one policy."""

    def __init__(self, trace: Trace, decide: Decide) -> None:
        self._decide = decide
        self._agenda = Agenda()
        self._view = View(trace)
        self.world = World(trace, self._agenda)
        self._jobs = len(trace.jobs)
        self._moved_at = 0.0
        self._tick_at = -1.0
        for number, job in enumerate(trace.jobs, 1):
            arrived = SimJob(job, self._view.of_job(number, job))
            self._agenda.at(job.at, partial(self.world.wait, arrived))
        for host in self.world.hosts.values():
            for dies, returns in host.trace.down:
                self._agenda.at(dies, partial(self.world.die, host))
                self._agenda.at(returns, partial(self.world.revive, host))

    def run(self) -> None:
        """Until every job has ended, or nothing moves any more."""
        while len(self.world.ended) < self._jobs and self._agenda.next is not None:
            before = self._agenda.now
            actions = self._agenda.take()
            self.world.elapse(self._agenda.now - before)
            self._happen(actions)
            if self._agenda.now - self._moved_at > PATIENCE:
                return

    def _happen(self, actions: list[Callable[[], None]]) -> None:
        for action in actions:
            if action != self._tick:
                self._moved_at = self._agenda.now
            action()
        if self.world.waiting:
            self.world.apply(self._decide(self._view.look(self.world)))
            self._tick_later()

    def _tick(self) -> None:
        """A look for its own sake: patience runs out, idle runs grow old."""

    def _tick_later(self) -> None:
        if self.world.waiting and self._tick_at <= self._agenda.now:
            self._tick_at = self._agenda.now + TICK
            self._agenda.at(self._tick_at, self._tick)


def simulate(trace: Trace, name: str, decide: Decide) -> Score:
    """What the policy `name` makes of `trace`. Deterministic."""
    play = _Play(trace, decide)
    play.run()
    ended = play.world.ended
    return score(name, ended, len(trace.jobs) - len(ended), play.world.ledger)
