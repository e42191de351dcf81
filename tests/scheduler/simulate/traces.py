"""Small traces in words, and strategies that draw them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from scheduler.simulate.trace import Trace, TraceHost, TraceJob, TraceModel
from shared.units import GIB, Bytes
from shared.vocabulary import Priority


def host(name: str = "studio", gib: float = 16, **more: Any) -> TraceHost:
    return TraceHost(name=name, budget=Bytes(int(gib * GIB)), disk_rate=Bytes(GIB), **more)


def model(name: str = "qwen", gib: float = 4, slots: int = 1, **more: Any) -> TraceModel:
    """It holds what it has on disk: a load takes a second for each GiB, and one more."""
    return TraceModel(name=name, size=Bytes(int(gib * GIB)), memory=Bytes(int(gib * GIB)), slots=slots, **more)


def job(at: float = 0.0, seconds: float = 10.0, model: str = "qwen", **more: Any) -> TraceJob:
    return TraceJob(at=at, model=model, seconds=seconds, **more)


def trace(
    *jobs: TraceJob, hosts: tuple[TraceHost, ...] = (), models: tuple[TraceModel, ...] = (), **more: Any
) -> Trace:
    return Trace(name="test", hosts=hosts or (host(),), models=models or (model(),), jobs=jobs, **more)


_HOSTS = (host("alpha", 8), host("beta", 16, down=((20.0, 60.0),)), host("gamma", 24, speed=2.0))
_MODELS = (model("small", 2, 4), model("middle", 6, 2), model("large", 8))

_jobs = st.builds(
    job,
    st.integers(0, 200).map(float),
    st.integers(1, 40).map(float),
    st.sampled_from([each.name for each in _MODELS]),
    priority=st.sampled_from(Priority),
    key=st.sampled_from("abc"),
    checkpoint=st.sampled_from([None, 5.0]),
)

#: Traces of up to three hosts, one of which dies, and three models that do not all fit.
traces = st.builds(
    lambda hosts, jobs: trace(*sorted(jobs, key=lambda job: job.at), hosts=hosts, models=_MODELS),
    st.integers(1, 3).map(lambda count: _HOSTS[:count]),
    st.lists(_jobs, min_size=1, max_size=25),
)
