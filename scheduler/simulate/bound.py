"""A makespan that no policy can beat, whatever it knows; the true optimum lies at or above it.

It is the largest of two kinds of bounds, and each leaves out something that costs every policy time:

* a job cannot end before it has arrived, its model was loaded once after somebody first asked for it, and it has run;
* whatever arrives from some moment on, for some set of models, must fit into the memory-time that living hosts offer to
  those models after that moment: a job takes its share of a run (its memory over its slots) for its seconds, and each
  model not asked for before is loaded at least once. What a host offers to a set of models is the largest sum of their
  sizes that its budget holds, each model once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from scheduler.simulate.trace import Trace, TraceHost, TraceModel


def lower_bound(trace: Trace) -> float:
    """Seconds from the beginning until the last job can have ended at best."""
    return max(_longest(trace), *(_area(trace, models) for models in _sets(trace)))


def _longest(trace: Trace) -> float:
    first = _first_asked(trace)
    ready = {model.name: first[model.name] + _load(trace, model) for model in trace.models if model.name in first}
    fastest = max(host.speed for host in trace.hosts)
    return max(max(job.at, ready[job.model]) + job.seconds / fastest for job in trace.jobs)


def _sets(trace: Trace) -> Iterator[dict[str, TraceModel]]:
    """Each model alone, and all that are at least as large as it."""
    asked = {job.model for job in trace.jobs}
    models = [model for model in trace.models if model.name in asked]
    for model in models:
        yield {model.name: model}
        yield {other.name: other for other in models if other.memory >= model.memory}


def _area(trace: Trace, models: Mapping[str, TraceModel]) -> float:
    """When the memory-time for what arrives from some moment on has been offered, at the worst such moment."""
    offer = _Offer.of(trace, models)
    work = 0.0
    latest = 0.0
    for at, area in sorted(_demands(trace, models), reverse=True):
        work += area
        latest = max(latest, offer.spent(at, work))
    return latest


def _demands(trace: Trace, models: Mapping[str, TraceModel]) -> Iterator[tuple[float, float]]:
    """Byte-seconds that are needed, each with the moment from which they can be given."""
    fastest = max(host.speed for host in trace.hosts)
    for name, at in _first_asked(trace).items():
        if name in models:
            yield at, models[name].memory * _load(trace, models[name])
    for job in trace.jobs:
        if job.model in models:
            model = models[job.model]
            yield job.at, job.seconds / fastest * model.memory / model.slots


def _first_asked(trace: Trace) -> dict[str, float]:
    first: dict[str, float] = {}
    for job in trace.jobs:
        first[job.model] = min(job.at, first.get(job.model, inf))
    return first


def _load(trace: Trace, model: TraceModel) -> float:
    return min(trace.load_seconds(model, host) for host in trace.hosts if host.budget >= model.memory)


@dataclass(frozen=True)
class _Offer:
    """Bytes that are offered from each moment on, until the next."""

    steps: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, trace: Trace, models: Mapping[str, TraceModel]) -> _Offer:
        sizes = [model.memory for model in models.values()]
        most = {host.name: _fullest(host.budget, sizes) for host in trace.hosts}
        moments = sorted({0.0, *(moment for host in trace.hosts for span in host.down for moment in span)})
        return cls(
            tuple((moment, sum(most[host.name] for host in trace.hosts if _lives(host, moment))) for moment in moments)
        )

    def spent(self, begin: float, work: float) -> float:
        """The moment at which `work` byte-seconds have been offered since `begin`."""
        ends = [*(moment for moment, _ in self.steps[1:]), inf]
        for (start, rate), end in zip(self.steps, ends, strict=True):
            since = max(start, begin)
            if end <= since:
                continue
            if rate and work <= rate * (end - since):
                return since + work / rate
            work -= rate * (end - since) if rate else 0.0
        return begin


def _fullest(budget: int, sizes: Iterable[int]) -> int:
    """The largest sum of `sizes`, each at most once, that is at most `budget`."""
    sums = {0}
    for size in sizes:
        sums |= {known + size for known in sums if known + size <= budget}
    return max(sums)


def _lives(host: TraceHost, moment: float) -> bool:
    return not any(dies <= moment < returns for dies, returns in host.down)
