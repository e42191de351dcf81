"""Downloads that the scheduler has submitted, because work waits for a model where it is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, or_, select

from shared.tables import Job
from shared.vocabulary import FINAL_JOB_STATES, JobState

#: Owner of those jobs, which is no key: their share of the queue is `key:scheduler`.
ASKER = "scheduler"
#: Seconds after the end of one until the same is tried again.
PAUSE = 3600.0

_job = Job.__table__.c
_final = _job.state.in_(sorted(FINAL_JOB_STATES))
_RECENT = select(_job.idempotency_key, _job.state).where(
    _job.owner == ASKER, or_(~_final, _job.finished_at > bindparam("since"))
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fetches:
    """Hosts by model id: those it is on its way to, and those where a fetch has ended lately, well or not."""

    coming: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Of those, where the download has not begun: its bytes are not among those promised of the host's disk yet.
    queued: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tried: Mapping[str, frozenset[str]] = field(default_factory=dict)


def key_of(model_id: str, host: str, moment: float) -> str:
    """The idempotency key of a fetch that was decided at `moment`."""
    return f"{model_id}:{host}:{moment:.0f}"


def read_fetches(connection: Connection, moment: float) -> Fetches:
    """What is under way and was tried at `moment`, by the database's clock."""
    coming: defaultdict[str, set[str]] = defaultdict(set)
    queued: defaultdict[str, set[str]] = defaultdict(set)
    tried: defaultdict[str, set[str]] = defaultdict(set)
    for key, state in connection.execute(_RECENT, {"since": moment - PAUSE}):
        model_id, host, _ = key.rsplit(":", 2)
        (tried if state.final else coming)[model_id].add(host)
        if state == JobState.QUEUED:
            queued[model_id].add(host)
    return Fetches(_frozen(coming), _frozen(queued), _frozen(tried))


def _frozen(found: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {model_id: frozenset(hosts) for model_id, hosts in found.items()}
