"""The two messages a lane carries, as Dramatiq messages and as actors."""

from __future__ import annotations

from collections.abc import Callable

import dramatiq

from shared.protocol import AttemptRef, RunRef

#: An attempt to claim and start, or a run to look at.
Hint = AttemptRef | RunRef

OnExecute = Callable[[str, int], None]
OnTend = Callable[[str, int], None]

_EXECUTE = "execute"
_TEND = "tend"


def message(lane: str, hint: Hint) -> dramatiq.Message[None]:
    """The message that brings `hint` to the worker of `lane`."""
    if isinstance(hint, AttemptRef):
        name, arguments = _EXECUTE, (hint.job_id, hint.attempt)
    else:
        name, arguments = _TEND, (hint.run_id, hint.generation)
    return dramatiq.Message(queue_name=lane, actor_name=name, args=arguments, kwargs={}, options={})


def declare_actors(broker: dramatiq.Broker, lane: str, on_execute: OnExecute, on_tend: OnTend) -> None:
    """Let `broker` call back for the messages of `lane`, once their arguments are known to be right."""

    def execute(job_id: str, attempt: int) -> None:
        hint = AttemptRef(job_id=job_id, attempt=attempt)
        on_execute(hint.job_id, hint.attempt)

    def tend(run_id: str, generation: int) -> None:
        hint = RunRef(run_id=run_id, generation=generation)
        on_tend(hint.run_id, hint.generation)

    # Runs come first: the jobs that were sent with them wait for them.
    for priority, (name, function) in enumerate({_TEND: tend, _EXECUTE: execute}.items()):
        dramatiq.Actor(function, broker=broker, actor_name=name, queue_name=lane, priority=priority, options={})
