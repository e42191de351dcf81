"""A trace under several policies, beside what none of them can beat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scheduler.simulate.bound import lower_bound
from scheduler.simulate.engine import simulate
from scheduler.simulate.policies import policies
from scheduler.simulate.score import Score
from scheduler.simulate.trace import Trace
from shared.errors import NotFound
from shared.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of every policy, ours first."""

    trace: Trace
    #: Seconds.
    lower_bound: float
    scores: tuple[Score, ...]

    def as_json(self) -> dict[str, Any]:
        """`{trace, about, hosts, models, jobs, lower_bound, policies: [{policy, makespan, over_bound, …}]}`."""
        return {
            "trace": self.trace.name,
            "about": self.trace.about,
            "hosts": len(self.trace.hosts),
            "models": len(self.trace.models),
            "jobs": len(self.trace.jobs),
            "lower_bound": self.lower_bound,
            "policies": [score.as_json() | {"over_bound": score.makespan / self.lower_bound} for score in self.scores],
        }


def compare(trace: Trace, wanted: Iterable[str] = ()) -> Comparison:
    """Play `trace` under the policies of those names, or all. Raises NotFound for a name nobody has."""
    known = policies()
    chosen = tuple(wanted) or tuple(known)
    for name in chosen:
        if name not in known:
            raise NotFound(f"There is no policy {name}", "policies are found by name", did_you_mean(name, known))
    return Comparison(trace, lower_bound(trace), tuple(simulate(trace, name, known[name]) for name in chosen))
