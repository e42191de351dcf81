"""Loading a model for a job that waits."""

from __future__ import annotations

from scheduler.decisions import NewRun
from scheduler.draft import Draft
from scheduler.options import Option
from scheduler.reasons import Code, Reason
from scheduler.views import JobView, ModelView, RunView
from shared.vocabulary import RunState


def load_for(draft: Draft, model: ModelView, job: JobView, place: Option) -> None:
    """Load it there; `job` counts on its slots."""
    shape = job.shape
    new = NewRun(model.id, model.name, shape.capability, shape.spec, shape.rank, shape.runtime, shape.host)
    run = RunView(
        f"new:{len(draft.starts)}", RunState.PENDING, model.id, model.name, shape.capability, shape.spec,
        shape.rank, draft.snapshot.now,
    )  # fmt: skip
    seat = draft.start(run, place.host, place.runtime, place.size, new)
    seat.free -= min(job.slots, seat.free)
    draft.limits.expect(shape)
    draft.block(job, starting(seat.run))


def starting(run: RunView) -> Reason:
    """What those are told who count on a run that is being loaded."""
    sentence = f"{run.model} is being loaded by {run.runtime} on {run.host}"
    return Reason(Code.STARTING, sentence, would_help=(f"{run.model} is loaded on {run.host}",))
