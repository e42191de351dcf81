"""Small fleets for the planner's tests, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.views import HostView, JobView, LaneView, LoadView, ModelView, RunView, Shape, Snapshot
from shared.runtimes import ModelShape, RunSpec, RuntimeInfo
from shared.units import GIB, Bytes
from shared.vocabulary import Capability, Format, RunState

NOW = 1000.0

LLAMA = RuntimeInfo(
    name="llama-cpp", version="1", formats=(Format.GGUF,), capabilities=(Capability.GENERATE,), default_slots=4
)
MLX = RuntimeInfo(name="mlx-lm", version="1", formats=(Format.GGUF,), capabilities=(Capability.GENERATE,))
ECHO = RuntimeInfo(name="echo", version="1", formats=(Format.ECHO,), capabilities=(Capability.GENERATE,))
STORE = RuntimeInfo(name="store", version="1", formats=(), capabilities=(Capability.STORE,), lane_slots=2)

#: A model of so many GiB without a KV cache to speak of: what it needs is its size and 5 %.
_FLAT = ModelShape(layers=0, attention_layers=0, kv_heads=1, key_dim=1, value_dim=1)


def host(name: str, gib: float = 16, *runtimes: RuntimeInfo, **more: Any) -> HostView:
    offered = runtimes or (LLAMA, STORE)
    facts: dict[str, Any] = {"disk_free": 100 * GIB, "up": True, **more}
    return HostView(name, int(gib * GIB), runtimes={each.name: each for each in offered}, **facts)


def model(name: str, gib: float = 4, *hosts: str, **more: Any) -> ModelView:
    facts: dict[str, Any] = {"format": Format.GGUF, "context": 8192, "shape": _FLAT, **more}
    return ModelView(name, name, size=Bytes(int(gib * GIB)), hosts=frozenset(hosts), **facts)


def shape(model_id: str | None = "qwen", rank: int = 2, **more: Any) -> Shape:
    facts: dict[str, Any] = {"capability": Capability.GENERATE, "model_id": model_id, "model": model_id, **more}
    return Shape(rank=rank, **facts)


def job(name: str, asks: Shape | None = None, *, at: float = NOW - 1, slots: int = 1) -> JobView:
    return JobView(name, at, slots, asks or shape())


def download(name: str, *, gib: float = 1, at: float = NOW - 1, **more: Any) -> JobView:
    return job(name, shape(None, capability=Capability.STORE, disk=int(gib * GIB), **more), at=at)


def run(name: str, model_id: str = "qwen", where: str | None = "studio", **more: Any) -> RunView:
    facts: dict[str, Any] = {
        "state": RunState.READY if where else RunState.PENDING,
        "capability": Capability.GENERATE,
        "spec": RunSpec(),
        "rank": 2,
        "created_at": NOW - 100,
        "runtime": "llama-cpp" if where else None,
        "slots": 4,
        "context": 4096,
        "held": 5 * GIB if where else 0,
        "last_used_at": NOW - 10,
        **more,
    }
    return RunView(name, model_id=model_id, model=model_id, host=where, **facts)


def busy(name: str, model_id: str = "qwen", where: str = "studio", used: int = 4, **more: Any) -> RunView:
    return run(name, model_id, where, attempts=used, used=used, **more)


def snapshot(
    hosts: list[HostView],
    models: list[ModelView] | None = None,
    *,
    runs: list[RunView] | None = None,
    jobs: list[JobView] | None = None,
    lanes: Mapping[tuple[str, str], LaneView] | None = None,
    loads: list[LoadView] | None = None,
) -> Snapshot:
    """Attempts on runs are counted on their lanes by themselves."""
    counted: dict[tuple[str, str], LaneView] = dict(lanes or {})
    for each in runs or []:
        if each.attempts and each.host and each.runtime:
            seen = counted.get((each.host, each.runtime), LaneView())
            counted[each.host, each.runtime] = LaneView(seen.attempts + each.attempts, seen.without_run)
    names = [each.name for each in hosts]
    installed = models if models is not None else [model("qwen", 4, *names)]
    return Snapshot(
        NOW,
        {each.name: each for each in hosts},
        tuple(runs or ()),
        tuple(jobs or ()),
        {each.id: each for each in installed},
        counted,
        tuple(loads or ()),
    )
