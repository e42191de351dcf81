"""What a request to submit means: parameters checked by their kind, the model found, the demand worked out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from shared import catalog, files
from shared.errors import InvalidParameters
from shared.fit import Fleet, check_capability
from shared.identifiers import new_id
from shared.kinds import kinds
from shared.kinds.contract import Demand, Kind
from shared.nearest import did_you_mean, nearest
from shared.runtimes import InstalledModel
from shared.units import Bytes
from shared.vocabulary import Capability, Priority


@dataclass(frozen=True)
class Submission:
    """A job as somebody asked for it."""

    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    labels: dict[str, str] = field(default_factory=dict)
    #: Seconds since 1970.
    not_before: float | None = None
    max_failures: int | None = None
    idempotency_key: str | None = None

    def digest(self) -> str:
        """Equal for equal requests, whatever the order of their fields."""
        said = [self.kind, self.params, self.priority, self.labels, self.not_before, self.max_failures]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


class Shelf:
    """The catalog as kinds see it at submit; what was looked up is remembered for the rest of the bulk."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._models: dict[str, InstalledModel] = {}
        self.fleet = Fleet(session)

    def model(self, name: str) -> InstalledModel:
        if name not in self._models:
            self._models[name] = catalog.installed(catalog.find(self._session, name), None)
        return self._models[name]

    def file_size(self, file_id: str) -> Bytes:
        return Bytes(files.find(self._session, file_id).size)

    def runtimes(self, model: str, capability: Capability) -> list[str]:
        return self.fleet.runtimes(self.model(model), capability)


class Intake:
    """Turns submissions into rows. Raises InvalidParameters, NotFound and CannotFit."""

    def __init__(self, session: Session) -> None:
        self._shelf = Shelf(session)
        self._fitting: set[tuple[Any, ...]] = set()

    def row(self, submission: Submission, owner: str) -> dict[str, Any]:
        """A row for `shared.jobs.state.submit`."""
        kind = read_params(submission.kind, submission.params).settle(self._shelf)
        demand = kind.demand(self._shelf)
        model = self._shelf.model(demand.model) if demand.model is not None else None
        self._check(demand, model)
        return {
            "id": new_id("job"),
            "kind": submission.kind,
            "params": kind.model_dump(mode="json", exclude_unset=True),
            "labels": submission.labels,
            "owner": owner,
            "priority": submission.priority,
            "rank": submission.priority.rank,
            "idempotency_key": submission.idempotency_key,
            "request_digest": submission.digest() if submission.idempotency_key is not None else None,
            "max_failures": submission.max_failures or kind.max_failures,
            "not_before": submission.not_before,
            "model_id": model.id if model is not None else None,
            "model": model.name if model is not None else None,
            **_flat(demand),
            "acquires": [[self._shelf.model(name).id, runtime] for name, runtime in demand.acquires],
        }

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
    }
