"""Engine parameters of a run, checked by name before anything starts."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import InvalidParameters
from shared.runs.need import capped_context
from shared.runtimes import InstalledModel, RunSpec, RuntimeInfo


class EngineParams(BaseModel):
    """What a user may say to one engine; a subclass lists all of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Params = TypeVar("Params", bound=EngineParams)


def read_params(kind: type[Params], engine: str, given: dict[str, Any]) -> Params:
    """`given` as `kind`. Raises InvalidParameters that names the first wrong one and the nearest known name."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise _complaint(kind, engine, error.errors()[0]) from error


def _complaint(kind: type[EngineParams], engine: str, first: ErrorDetails) -> InvalidParameters:
    name = ".".join(str(part) for part in first["loc"])
    known = sorted(kind.model_fields)
    listed = ", ".join(known) or "none"
    if first["type"] != "extra_forbidden":
        fix = f"correct `params.{name}`"
        return InvalidParameters(f"The parameter {name!r} of {engine} is wrong", first["msg"], fix, field=name)
    near = get_close_matches(name, known, 1)
    return InvalidParameters(
        f"{engine} has no parameter {name!r}",
        f"it knows {listed}",
        f"did you mean {near[0]!r}?" if near else f"remove `params.{name}`",
        field=name,
    )


def slots_of(spec: RunSpec, info: RuntimeInfo) -> int:
    """Slots asked for, or the runtime's own. Raises InvalidParameters above its maximum."""
    slots = spec.slots or info.default_slots
    if slots > info.max_slots:
        raise InvalidParameters(
            f"{info.name} offers at most {info.max_slots} slots",
            f"{slots} were asked for",
            f"set `slots` to {info.max_slots} or less",
            field="slots",
        )
    return slots


def context_of(spec: RunSpec, info: RuntimeInfo, model: InstalledModel) -> int:
    """Tokens of context for each slot: what was asked for, or the runtime's default; the model's own caps it."""
    return capped_context(model, spec.context or info.default_context)
