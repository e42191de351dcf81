"""Traces drawn from a seed: the same name and seed always give the same trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random

from scheduler.simulate.trace import Trace, TraceHost, TraceJob, TraceModel
from shared.errors import InvalidParameters
from shared.units import GIB, Bytes
from shared.vocabulary import Priority

#: The seed of the shipped traces.
SEED = 1

#: Class, how often it comes, its median and longest seconds, and whether it keeps what it has done.
_CLASSES = (
    (Priority.INTERACTIVE, 0.35, 4.0, 20.0, None),
    (Priority.NORMAL, 0.45, 10.0, 60.0, None),
    (Priority.BATCH, 0.20, 30.0, 120.0, 5.0),
)


def generate(name: str, seed: int = SEED) -> Trace:
    """The trace of that name. Raises InvalidParameters when there is no such generator."""
    make = _MAKERS.get(name)
    if make is None:
        raise InvalidParameters(
            f"No trace is called {name}", f"generated ones are {', '.join(_MAKERS)}", "name one of them"
        )
    return make(Random(f"{name}:{seed}"))


def names() -> tuple[str, ...]:
    """What can be generated."""
    return tuple(_MAKERS)


def _gib(size: float) -> Bytes:
    return Bytes(int(size * GIB))


def _host(name: str, budget: float, rate: float, down: tuple[tuple[float, float], ...] = ()) -> TraceHost:
    return TraceHost(name=name, budget=_gib(budget), disk_rate=_gib(rate), down=down)


def _model(name: str, size: float, slots: int, keep_alive: float = 300.0) -> TraceModel:
    """What it holds is a quarter more than its weights."""
    return TraceModel(name=name, size=_gib(size), memory=_gib(size * 1.25), slots=slots, keep_alive=keep_alive)


#: Three minis and a studio, and models that need more memory than all of them have.
_FLEET = (_host("mini-1", 12, 2), _host("mini-2", 12, 2), _host("mini-3", 20, 2.5), _host("studio", 48, 5))
_MODELS = (
    _model("tiny-1b", 0.8, 8),
    _model("small-4b", 2.4, 4),
    _model("coder-7b", 4.4, 4),
    _model("chat-8b", 4.8, 4),
    _model("whisper-large", 2.0, 2),
    _model("vision-9b", 6.0, 4),
    _model("translate-9b", 5.6, 4),
    _model("reader-8b", 4.8, 4),
    _model("writer-12b", 7.2, 4),
    _model("middle-14b", 8.8, 4),
    _model("mixture-30b", 16.8, 4),
    _model("large-32b", 19.2, 2),
)
#: How often each is asked for.
_POPULARITY = (12, 12, 10, 10, 6, 5, 5, 4, 4, 3, 3, 1)


def _seconds(chance: Random, median: float, longest: float) -> float:
    return round(min(longest, max(0.5, median * chance.lognormvariate(0.0, 0.6))), 1)


def _job(chance: Random, at: float, model: str, key: str, classes: tuple[Priority, ...] = tuple(Priority)) -> TraceJob:
    known = [each for each in _CLASSES if each[0] in classes]
    priority, _, median, longest, checkpoint = chance.choices(known, [each[1] for each in known])[0]
    seconds = _seconds(chance, median, longest)
    return TraceJob(at=round(at, 1), model=model, seconds=seconds, priority=priority, key=key, checkpoint=checkpoint)


def _poisson(chance: Random, rate: float, until: float, begin: float = 0.0) -> Iterator[float]:
    """Moments at which `rate` jobs a second come by themselves."""
    at = begin + chance.expovariate(rate)
    while at < until:
        yield at
        at += chance.expovariate(rate)


def _pick(chance: Random) -> str:
    return chance.choices(_MODELS, _POPULARITY)[0].name


def _in_order(jobs: list[TraceJob]) -> tuple[TraceJob, ...]:
    return tuple(sorted(jobs, key=lambda job: job.at))


def _steady(chance: Random) -> Trace:
    jobs = [_job(chance, at, _pick(chance), chance.choice("abcd")) for at in _poisson(chance, 1.2, 900)]
    return Trace(
        name="steady", about="Jobs of four keys and seven models come one by one, for a quarter of an hour.",
        hosts=_FLEET, models=_MODELS, jobs=_in_order(jobs),
    )  # fmt: skip


def _bursty(chance: Random) -> Trace:
    jobs = [_job(chance, at, _pick(chance), chance.choice("abcd")) for at in _poisson(chance, 0.3, 900)]
    for start in range(30, 900, 90):
        model, key = _pick(chance), chance.choice("abcd")
        jobs += [
            _job(chance, start + chance.random() * 3, model, key, (Priority.NORMAL, Priority.BATCH)) for _ in range(50)
        ]
    return Trace(
        name="bursty", about="Every 90 seconds somebody sends 50 jobs for one model at once, into a trickle of others.",
        hosts=_FLEET, models=_MODELS, jobs=_in_order(jobs),
    )  # fmt: skip


def _greedy(chance: Random) -> Trace:
    """Everybody wants the same mix, and all of it fits, so that what each key gets is a matter of turns alone."""
    models = (*_MODELS[1:4], *_MODELS[5:8])
    hosts = tuple(_host(f"studio-{number}", 36, 5) for number in range(1, 4))
    jobs = [
        TraceJob(
            at=0.0 if key == "greedy" else round(30 * chance.random(), 1),
            model=chance.choice(models).name,
            seconds=_seconds(chance, 10.0, 20.0),
            key=key,
        )
        for key in ["greedy"] * 600 + [*"abc"] * 200
    ]
    return Trace(
        name="greedy", about="One key sends 600 jobs at once; three others send as many together, a little later.",
        hosts=hosts, models=models, jobs=_in_order(jobs),
    )  # fmt: skip


def _sizes(chance: Random) -> Trace:
    small, huge = _MODELS[:3], _model("huge-70b", 36, 2)
    jobs = [_job(chance, at, chance.choice(small).name, chance.choice("abcd")) for at in _poisson(chance, 2.0, 900)]
    jobs += [
        _job(chance, at, huge.name, chance.choice("abcd"), (Priority.NORMAL,)) for at in _poisson(chance, 0.04, 900)
    ]
    return Trace(
        name="sizes", about="Many jobs for small models, and a few for one that needs nearly the whole studio.",
        hosts=_FLEET, models=(*small, huge), jobs=_in_order(jobs),
    )  # fmt: skip


def _failures(chance: Random) -> Trace:
    down: Mapping[str, tuple[tuple[float, float], ...]] = {
        "mini-1": ((120.0, 200.0), (600.0, 660.0)),
        "mini-3": ((300.0, 420.0),),
        "studio": ((500.0, 560.0),),
    }
    hosts = tuple(host.model_copy(update={"down": down.get(host.name, ())}) for host in _FLEET)
    jobs = [_job(chance, at, _pick(chance), chance.choice("abcd")) for at in _poisson(chance, 1.0, 900)]
    return Trace(
        name="failures", about="As steady, but hosts die and come back, the studio among them.",
        hosts=hosts, models=_MODELS, jobs=_in_order(jobs),
    )  # fmt: skip


_MAKERS: Mapping[str, Callable[[Random], Trace]] = {
    "steady": _steady,
    "bursty": _bursty,
    "greedy": _greedy,
    "sizes": _sizes,
    "failures": _failures,
}
