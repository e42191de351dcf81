"""What a request to submit means: parameters checked by their kind, the model found, the demand worked out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from shared import catalog, files, queues
from shared.db import clock_time, let_go
from shared.errors import CidermillError, InvalidParameters
from shared.fit import Fleet, check_capability
from shared.grants import capped, check_model, check_source
from shared.hub_places import place
from shared.identifiers import new_id
from shared.jobs import inputs
from shared.jobs.where import Where, as_row, check_selector
from shared.keys import ANYONE, Caller
from shared.kinds import kinds
from shared.kinds.contract import Demand, Kind
from shared.kinds.download import Download
from shared.moments import Moment, at
from shared.nearest import did_you_mean, nearest
from shared.queue_parts import BY_KEY, share
from shared.runtimes import InstalledModel
from shared.store.known import by_reference
from shared.units import Bytes
from shared.vocabulary import Capability, Priority


@dataclass(frozen=True)
class Submission:
    """A job as somebody asked for it."""

    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    labels: dict[str, str] = field(default_factory=dict)
    placement: Where = field(default_factory=Where)
    #: What it takes turns by with other jobs: `key`, or one of its labels.
    queue_by: str = BY_KEY
    #: It may begin then; and it must have begun by then. Durations count from the submit.
    not_before: Moment | None = None
    deadline: Moment | None = None
    max_failures: int | None = None
    idempotency_key: str | None = None
    #: The schedule that submits it.
    schedule: str | None = None
    #: What the caller calls the model, where `params` have the catalog's name for it.
    called: str | None = None

    @property
    def requests(self) -> int:
        """As how many requests of its key it counts: those that it holds, else one, as for a file nobody has read."""
        held = self.params.get("requests")
        return len(held) if isinstance(held, list) and held else 1

    def digest(self) -> str:
        """Equal for equal requests, whatever the order of their fields."""
        said = [self.kind, self.params, self.priority, self.labels, _written(self.not_before), self.max_failures]
        later = [self.placement.model_dump(mode="json"), self.queue_by, _written(self.deadline)]
        if later != [Where().model_dump(mode="json"), BY_KEY, None]:
            said += later
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


#: A submission from JSON, such as a schedule keeps.
read_submission = TypeAdapter(Submission).validate_python


def _written(moment: datetime | timedelta | None) -> float | str | None:
    """As it was said: a duration stays one."""
    if isinstance(moment, timedelta):
        return f"+{moment.total_seconds()}"
    return moment.timestamp() if moment is not None else None


class Shelf:
    """The catalog as kinds see it at submit; what was looked up is remembered for the rest of the bulk."""

    def __init__(self, session: Session, caller: Caller) -> None:
        self._session = session
        self._caller = caller
        self._models: dict[str, InstalledModel] = {}
        self.fleet = Fleet(session)

    def model(self, name: str) -> InstalledModel:
        if name not in self._models:
            self._models[name] = catalog.installed(catalog.find(self._session, name), None)
        return self._models[name]

    def file_size(self, file_id: str) -> Bytes:
        return Bytes(files.find(self._session, file_id, self._caller.sees).size)

    def runtimes(self, model: str, capability: Capability) -> list[str]:
        return self.fleet.runtimes(self.model(model), capability)

    def on_disk(self, host: str, repo: str, commit: str) -> set[tuple[str, int]]:
        return catalog.files_on(self._session, host, repo, commit)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Nothing waits for the database's sake meanwhile."""
        with place():
            let_go(self._session)
            yield


class Intake:
    """Turns a caller's submissions into rows; those of internal kinds only when Cidermill itself is the one who asks.

    Raises InvalidParameters, NotFound, CannotFit, and Forbidden for a model that the caller may not use.
    """

    def __init__(self, session: Session, caller: Caller = ANYONE, *, internal: bool = False) -> None:
        self._session = session
        self._caller = caller
        self._internal = internal
        self._now = clock_time(session)
        self._shelf = Shelf(session, caller)
        self._fitting: set[tuple[Any, ...]] = set()

    def row(self, submission: Submission, owner: str) -> dict[str, Any]:
        """A row for `shared.jobs.state.submit`."""
        kind = read_params(submission.kind, self._located(submission)).settle(self._shelf)
        if kind.internal and not self._internal:
            raise _not_by_hand(kind)
        for file_id in inputs.read_by(kind):
            files.find(self._session, file_id, self._caller.sees)
        demand = kind.demand(self._shelf)
        model = self._shelf.model(demand.model) if demand.model is not None else None
        if model is not None:
            check_model(self._caller, model.name, submission.called or demand.model)
        for name, _ in demand.acquires:
            check_model(self._caller, self._shelf.model(name).name, name)
        priority = capped(self._caller, submission.priority)
        self._check(demand, model)
        check_selector(self._session, submission.placement.selector)
        return {
            "id": new_id("job"),
            "kind": submission.kind,
            "params": kind.model_dump(mode="json", exclude_unset=True),
            "labels": submission.labels,
            "owner": owner,
            "priority": priority,
            "rank": priority.rank,
            "idempotency_key": submission.idempotency_key,
            "request_digest": submission.digest() if submission.idempotency_key is not None else None,
            "max_failures": submission.max_failures or kind.max_failures,
            **self._times(submission),
            "placement": as_row(submission.placement, submission.labels),
            "queue": self._share(submission, owner),
            "schedule": submission.schedule,
            "model_id": model.id if model is not None else None,
            "model": model.name if model is not None else None,
            **_flat(demand),
            "acquires": [[self._shelf.model(name).id, runtime] for name, runtime in demand.acquires],
        }

    def _share(self, submission: Submission, owner: str) -> str:
        named = self._named_labels if submission.queue_by != BY_KEY else frozenset[str]()
        return share(owner, submission.labels, submission.queue_by, named)

    @cached_property
    def _named_labels(self) -> frozenset[str]:
        return queues.named_labels(self._session)

    def _located(self, submission: Submission) -> dict[str, Any]:
        """A model to install may be called as the catalog calls it: that is where another host fetches it from."""
        if submission.kind != Download.name:
            return submission.params
        check_source(self._caller, str(submission.params.get("model")))
        return by_reference(self._session, submission.params)

    def _times(self, submission: Submission) -> dict[str, float | None]:
        """When it may begin, and must have. Raises InvalidParameters when there is no such moment."""
        not_before, deadline = at(submission.not_before, self._now), at(submission.deadline, self._now)
        if deadline is not None and deadline <= max(self._now, not_before or 0.0):
            raise InvalidParameters(
                "The deadline can never be met",
                "it is before not_before" if deadline > self._now else "it has passed",
                "give a later deadline, or leave it out",
                field="deadline",
            )
        return {"not_before": not_before, "deadline": deadline}

    def _check(self, demand: Demand, model: InstalledModel | None) -> None:
        """Refuse what can never run; equal demands of one bulk are looked at once."""
        spec = demand.spec.model_dump_json(exclude_defaults=True)
        seen = (model and model.id, demand.capability, demand.runtime, demand.host, spec, demand.acquires)
        if seen in self._fitting:
            return
        fleet = self._shelf.fleet
        fleet.check_named(demand.host, demand.runtime)
        if model is not None:
            fleet.check_run(model, demand.capability, demand.spec, demand.runtime, demand.host)
        for name, runtime in demand.acquires:
            acquired = self._shelf.model(name)
            check_capability(acquired, demand.capability)
            fleet.check_named(demand.host, runtime)
            fleet.check_run(acquired, demand.capability, demand.spec, runtime, demand.host)
        self._fitting.add(seen)


def _not_by_hand(kind: Kind) -> InvalidParameters:
    return InvalidParameters(
        f"Jobs of the kind {kind.name} are not submitted by hand",
        "they are a part of something else, which first makes sure that they do no harm",
        "see what does it: " + kind.about,
        field="kind",
    )


def read_params(kind: str, params: Mapping[str, Any]) -> Kind:
    """Parameters checked by their kind. Raises InvalidParameters that names the field and what was meant."""
    known = kinds()
    if kind not in known:
        raise InvalidParameters(
            f"There is no kind of job {kind!r}",
            did_you_mean(kind, known),
            f"use one of {', '.join(known)}",
            field="kind",
            nearest=nearest(kind, known),
        )
    try:
        return known[kind].model_validate(params)
    except ValidationError as error:
        raise invalid_params(error, known[kind]) from error


def invalid_params(error: ValidationError, kind: type[Kind]) -> InvalidParameters:
    """The first thing that is wrong, and where, as what, why and how to fix it."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(["params", *(str(part) for part in first["loc"])])
    cause = getattr(first.get("ctx", {}).get("error"), "__cause__", None)
    if isinstance(cause, CidermillError):
        # What a kind refused in three parts is told in those.
        return InvalidParameters(cause.problem.what, cause.problem.why, cause.problem.fix, field=place)
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        name = str(first["loc"][0])
        why = f"{kind.name} has no such field; {did_you_mean(name, kind.model_fields)}"
        fix = f"remove or rename it; the fields are {', '.join(kind.model_fields)}"
    elif first["type"] == "missing":
        why, fix = "it is required", f"give {place}"
    else:
        why, fix = _plain(first["msg"]), f"correct {place}; the fields are {', '.join(kind.model_fields)}"
    return InvalidParameters(f"{place} is wrong for a job of kind {kind.name}", why, fix, field=place)


def _plain(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _flat(demand: Demand) -> dict[str, Any]:
    return {
        "capability": demand.capability,
        "runtime": demand.runtime,
        "host": demand.host,
        "spec": demand.spec.model_dump(mode="json", exclude_unset=True),
        "slots": demand.slots,
        "disk": demand.disk,
        "exclusive": demand.exclusive,
        "preemptible": demand.preemptible,
    }
