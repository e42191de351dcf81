"""Large fleets with long queues, made by chance from a seed: many shapes, many models, most hosts at work."""

from __future__ import annotations

from random import Random

from scheduler.views import HostView, JobView, LaneView, ModelView, QueueView, RunView, Shape, Snapshot
from shared.runs.need import size_run
from shared.runtimes import RunSpec
from tests.scheduler.fleet import LLAMA, MLX, NOW, STORE, busy, host, job, model, run, shape

_MEMORY = (16, 16, 24, 32, 64, 128)
_MODELS, _KEYS = 200, 20
_SPECS = (RunSpec(), RunSpec(context=8192))


def crowd(jobs: int, hosts: int, seed: int = 1) -> Snapshot:
    """`jobs` waiting for 200 models, of 20 keys in 5 classes, before `hosts` that are mostly at work."""
    random = Random(seed)
    fleet = {f"mac-{n:04}": _host(random, f"mac-{n:04}") for n in range(hosts)}
    models = {each.id: each for each in (_model(random, n, list(fleet)) for n in range(_MODELS))}
    runs = [placed for name in fleet for placed in _runs(random, fleet[name], models)]
    lanes: dict[tuple[str, str], LaneView] = {}
    for each in runs:
        if each.attempts:
            lane = (each.host or "", each.runtime or "")
            lanes[lane] = LaneView(lanes.get(lane, LaneView()).attempts + each.attempts)
    queues = {f"key:{n}": QueueView(f"key:{n}", 1.0 + n % 3) for n in range(_KEYS)}
    waiting = _jobs(random, jobs, list(models))
    return Snapshot(NOW, fleet, tuple(runs), waiting, models, lanes, queues=queues)


def _host(random: Random, name: str) -> HostView:
    runtimes = (LLAMA, MLX, STORE) if random.random() < 0.5 else (LLAMA, STORE)
    return host(name, random.choice(_MEMORY), *runtimes, labels={"room": random.choice("abc")})


def _model(random: Random, number: int, hosts: list[str]) -> ModelView:
    gib = random.choice((1, 2, 4, 4, 8, 8, 14, 40))
    return model(f"m{number:03}", gib, *random.sample(hosts, random.randint(1, len(hosts))))


def _runs(random: Random, where: HostView, models: dict[str, ModelView]) -> list[RunView]:
    """Runs until the memory is as good as full; four of five are at work."""
    free, found = where.budget, []
    for each in random.sample(sorted(models), 12):
        need = size_run(models[each], LLAMA, RunSpec()).need.total
        if not models[each].on(where.name) or need > free or random.random() < 0.2:
            continue
        free -= need
        name = f"{where.name}-{each}"
        facts = {"held": need, "last_used_at": NOW - random.random() * 250}
        at_work = random.random() < 0.8
        found.append(busy(name, each, where.name, **facts) if at_work else run(name, each, where.name, **facts))
    return found


def _jobs(random: Random, jobs: int, models: list[str]) -> tuple[JobView, ...]:
    shapes: dict[tuple[str, int, int, int, bool], Shape] = {}
    found = []
    for number in range(jobs):
        key = (
            models[min(int(random.expovariate(6.0) * _MODELS), _MODELS - 1)],
            random.choice((0, 1, 2, 2, 2, 3, 4)),
            random.randrange(_KEYS),
            random.randrange(len(_SPECS)),
            random.random() < 0.1,
        )
        known = shapes.get(key)
        if known is None:
            name, rank, owner, spec, picky = key
            selector = (("room", "a"),) if picky else ()
            known = shapes[key] = shape(name, rank, queue=f"key:{owner}", spec=_SPECS[spec], selector=selector)
        found.append(job(f"job-{number:06}", known, at=NOW - random.random() * 900))
    return tuple(found)
