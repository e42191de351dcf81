"""The world as a policy sees it: the same snapshot that the scheduler reads from its database."""

from __future__ import annotations

from collections import Counter

from scheduler.simulate.parts import SimJob, SimRun
from scheduler.simulate.trace import Trace, TraceJob, TraceModel
from scheduler.simulate.world import World
from scheduler.views import AttemptView, HostView, JobView, LaneView, ModelView, QueueView, RunView, Shape, Snapshot
from shared.runtimes import RunSpec, RuntimeInfo
from shared.vocabulary import Capability, Format

#: The one runtime of every host.
ENGINE = "engine"

# A scripted model holds what its parameters say: the trace has the last word on memory, not the estimate.
_INFO = RuntimeInfo(
    name=ENGINE, version="1", formats=(Format.ECHO,), capabilities=(Capability.GENERATE,), max_slots=1024
)
_DISK_FREE = 1 << 50


class View:
    """Makes snapshots of a world; what does not change is made once."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._models = {model.name: _model(model) for model in trace.models}
        self._specs = {model.name: _spec(model) for model in trace.models}
        self._shapes: dict[tuple[str, str, int, bool], Shape] = {}
        self._hosts: dict[tuple[str, bool], HostView] = {}

    def of_job(self, number: int, job: TraceJob) -> JobView:
        """Jobs that ask for the same share their shape."""
        return JobView(f"j{number}", job.at, 1, self._shape(job))

    def look(self, world: World) -> Snapshot:
        """Everything as it is now."""
        attempts = Counter(dict.fromkeys(world.hosts, 0))
        for run in world.runs.values():
            attempts[run.host.trace.name] += len(run.jobs)
        return Snapshot(
            now=world.agenda.now,
            hosts={name: self._host(name, host.up, world) for name, host in world.hosts.items()},
            runs=tuple(self._run(run) for run in world.runs.values()),
            jobs=tuple(job.view for job in world.waiting.values()),
            models=self._models,
            lanes={(host, ENGINE): LaneView(used) for host, used in attempts.items()},
            attempts=tuple(_attempt(job, run) for run in world.runs.values() for job in run.jobs.values()),
            queues=self._queues(world),
            rates={(model, ENGINE): rate for model, rate in world.meter.rates.items()},
        )

    def _shape(self, job: TraceJob) -> Shape:
        asked = (job.model, job.key, job.priority.rank, job.checkpoint is not None)
        shape = self._shapes.get(asked)
        if shape is None:
            shape = self._shapes[asked] = Shape(
                rank=job.priority.rank,
                capability=Capability.GENERATE,
                model_id=job.model,
                model=job.model,
                spec=self._specs[job.model],
                kind="inference",
                queue=queue_of(job.key),
                preemptible=job.checkpoint is not None,
            )
        return shape

    def _host(self, name: str, up: bool, world: World) -> HostView:
        known = self._hosts.get((name, up))
        if known is None:
            budget = world.hosts[name].trace.budget
            known = self._hosts[name, up] = HostView(name, budget, _DISK_FREE, up, runtimes={ENGINE: _INFO})
        return known

    def _queues(self, world: World) -> dict[str, QueueView]:
        """Rows are there for keys with a weight of their own, and for whatever has a stride number."""
        weights = {queue_of(key): weight for key, weight in self._trace.weights.items()}
        running = Counter(queue_of(job.trace.key) for job in world.at_work.values())
        return {
            name: QueueView(name, weights.get(name, 1.0), world.passes.get(name, 0.0), running=running[name])
            for name in {**weights, **world.passes}
        }

    def _run(self, run: SimRun) -> RunView:
        return RunView(
            id=run.id,
            state=run.state,
            model_id=run.model.name,
            model=run.model.name,
            capability=Capability.GENERATE,
            spec=run.spec,
            rank=run.rank,
            created_at=run.created_at,
            host=run.host.trace.name,
            runtime=ENGINE,
            slots=run.slots,
            context=_INFO.default_context,
            held=run.held,
            attempts=len(run.jobs),
            used=len(run.jobs),
            keep_alive=run.model.keep_alive,
            last_used_at=run.last_used_at,
            ready_at=run.ready_at,
        )


def queue_of(key: str) -> str:
    """The part of the queue whose share a key uses."""
    return f"key:{key}"


def _attempt(job: SimJob, run: SimRun) -> AttemptView:
    return AttemptView(
        job_id=job.id,
        attempt=job.attempt,
        run_id=run.id,
        slots=1,
        rank=job.view.shape.rank,
        started_at=job.began_at,
        preemptible=job.view.shape.preemptible,
        preemptions=job.preemptions,
    )


def _spec(model: TraceModel) -> RunSpec:
    return RunSpec(slots=model.slots, keep_alive=model.keep_alive, params={"memory": model.memory})


def _model(model: TraceModel) -> ModelView:
    return ModelView(model.name, model.name, Format.ECHO, model.size)
