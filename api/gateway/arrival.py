"""When no run is ready: starting one, how long to wait for it, and what to say when that is too long."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import FrontDoor
from api.gateway import defaults, room
from api.gateway.exchange import Exchange
from api.gateway.model_names import Found
from api.gateway.routing import LONGEST_WAIT, Candidate, Load, wait
from shared.errors import Busy, CidermillError, Problem, Unavailable, revive
from shared.runs import queries, service
from shared.runs.service import RunWish
from shared.runtimes import RunSpec
from shared.tables import Host, Model, Run

#: Seconds to wait for a run that has no place, when nobody knows for how long.
_UNSURE = 30.0
#: Nobody is told to come back later than that: things change, and OpenAI's clients would give up (measured: 3.54).
_LATEST = 120


def start(door: FrontDoor, found: Found, exchange: Exchange) -> str:
    """Ask for a run, or find the one that another request has asked for; its id.

    Raises InvalidParameters, CannotFit, Unavailable.
    """
    wish = RunWish(
        model=found.model.name,
        capability=exchange.capability,
        host=found.host,
        priority=exchange.priority,
        spec=_spec(found, exchange),
    )
    with door.write(wake=True) as session:
        # The lock lets requests that come at once find one another's run instead of starting one each.
        session.get(Model, found.model.id, with_for_update=True)
        _check_hosts(session)
        started = queries.serving(session, found.model.id, exchange.capability, found.host)
        if exchange.tokens:
            started = [run for run in started if queries.context_of(run) > exchange.tokens]
        return started[0].id if started else service.start(session, wish)


def check_open(name: str, runs: Sequence[Candidate], loads: Mapping[str, Load], avoid: Collection[str]) -> None:
    """Runs are ready, and none of them was chosen. Raises Busy or Unavailable, whichever is why."""
    ready = [run for run in runs if run.ready and run.id not in avoid]
    reached = [run for run in ready if run.reach is not None]
    if ready and not reached:
        raise Unavailable(
            f"The run of {name} is out of reach",
            f"it is on {ready[0].host}, whose agent lets nobody in",
            "see `cidermill doctor` there; or submit a job instead: jobs run on every host",
        )
    waits = [wait(run, loads.get(run.id, Load())) for run in reached]
    if waits and min(waits) > LONGEST_WAIT:
        seconds = _rounded(min(waits) - LONGEST_WAIT)
        raise Busy(
            f"All runs of {name} are busy",
            f"{len(reached)} are ready, and a request would wait longer than {LONGEST_WAIT:.0f} s",
            f"ask again in {seconds} s, or submit a job instead: jobs wait as long as it takes",
            retry_after=seconds,
        )


def check_patience(name: str, run: Candidate, waited: float) -> None:
    """Raises Busy when the scheduler has no place for the run, and none is to be expected soon."""
    if run.host is not None or run.why is None:
        return
    if run.seconds is None and waited < _UNSURE:
        return
    if run.seconds is not None and run.seconds <= LONGEST_WAIT:
        return
    seconds = _rounded(run.seconds if run.seconds is not None else _UNSURE)
    raise Busy(
        f"There is no room for {name} now",
        run.why,
        f"ask again in {seconds} s; the run waits for its place meanwhile",
        retry_after=seconds,
    )


def why_not(door: FrontDoor, run_id: str) -> CidermillError:
    """What ended the run we waited for, as an answer: later when it may work then, else never."""
    with door.read() as session:
        run = session.get(Run, run_id)
    if run is None or not run.error:
        reason = (run.stop_reason if run is not None else None) or "it was stopped"
        return Unavailable("The run that was started for this is gone", reason, "try again")
    problem = Problem.model_validate(run.error)
    gone = Unavailable(problem.what, problem.why, problem.fix)
    gone.problem = revive(problem).problem
    return gone


def _spec(found: Found, exchange: Exchange) -> RunSpec:
    """How to load the model: as was asked, with more context for what is known to need more."""
    spec = defaults.loaded(exchange.spec, found.defaults)
    if exchange.tokens < (spec.context or 1):
        return spec
    answer = exchange.body.get("max_tokens") or exchange.body.get("max_completion_tokens")
    context = room.wanted(exchange.model, exchange.tokens, answer, found.model.context)
    return spec.model_copy(update={"context": context})


def _check_hosts(session: Session) -> None:
    if session.scalar(select(Host.name).limit(1)) is None:
        raise Unavailable(
            "No run can answer here", "the fleet has no host", "start an agent on this machine: cidermill agent"
        )


def _rounded(seconds: float) -> int:
    return _LATEST if math.isinf(seconds) else max(1, min(_LATEST, math.ceil(seconds)))
