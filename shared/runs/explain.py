"""What a run does or waits for."""

from __future__ import annotations

from sqlalchemy.orm import Session

from shared.errors import Problem
from shared.explanation import Explanation, waiting
from shared.runs.queries import slots_used
from shared.tables import Run
from shared.units import format_bytes
from shared.vocabulary import RunState


def explain(session: Session, run: Run, *, private: bool = False) -> Explanation:
    """What keeps it off each host while it waits for one; `private`: of an error not why it came to it."""
    if run.state == RunState.PENDING and run.host is None:
        said = {"sentence": "the scheduler has not looked at it yet", **(run.blocked_by or {})}
        return waiting(run.id, run.state, said)
    return Explanation(id=run.id, state=run.state, sentence=_sentence(session, run, private=private))


def _sentence(session: Session, run: Run, *, private: bool) -> str:
    where = f"on {run.host} with {run.runtime}"
    if run.state.final:
        problem = Problem.model_validate(run.error) if run.error else None
        why = (problem.what if private else problem.sentence()) if problem else run.stop_reason
        return f"{run.state}: {why}" if why else str(run.state)
    if run.state == RunState.READY:
        used = slots_used(session, [run.id]).get(run.id, 0)
        return f"ready {where}, {used} of {run.slots} slots in use, {format_bytes(run.memory_held)} held"
    if run.state == RunState.STOPPING:
        return f"stops {where}: {run.stop_reason}"
    return f"loads {where}" if run.state == RunState.STARTING else f"given to a worker {where}"
