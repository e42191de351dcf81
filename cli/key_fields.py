"""What a key may do, as options say it and as the front door reads it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.options import finite
from cli.output import Json
from shared.errors import BadRequest
from shared.moments import at, read_moment
from shared.quotas import Limit
from shared.vocabulary import Priority

Models = Annotated[list[str] | None, typer.Option("--model", help="A model it may use, or all; may be repeated.")]
Limits = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="WHAT=N", help="As tokens/day=100000 or concurrent=4, or none; may be repeated."),
]
MaxPriority = Annotated[Priority | None, typer.Option("--priority", help="The most urgent class its work may have.")]
Weight = Annotated[float | None, typer.Option(callback=finite, help="Its part of the fair share; others have 1.")]
Expires = Annotated[
    str | None, typer.Option(metavar="WHEN", help="It stops then: a time with its zone, 30d from now, or never.")
]


@dataclass(frozen=True)
class KeyFields:
    """Options of `keys create` and `keys set`; what was not given is left out of `body`."""

    models: Sequence[str] | None = None
    limits: Sequence[str] | None = None
    priority: Priority | None = None
    weight: float | None = None
    expires: str | None = None

    def body(self) -> dict[str, Any]:
        """The fields of the request. Raises BadRequest."""
        said: dict[str, Any] = {}
        if self.models:
            said["models"] = None if "all" in self.models else list(self.models)
        if self.limits:
            said["limits"] = {} if "none" in self.limits else dict(_limit(text) for text in self.limits)
        if self.priority is not None:
            said["priority"] = self.priority.value
        if self.weight is not None:
            said["weight"] = self.weight
        if self.expires is not None:
            said["expires_at"] = None if self.expires == "never" else _moment(self.expires)
        return said


def phrase(limits: Mapping[str, int]) -> str:
    """`tokens/day=100000 concurrent=4`."""
    return " ".join(f"{name}={number}" for name, number in limits.items())


def state(key: Json) -> str:
    if key["revoked_at"]:
        return "revoked"
    return "expired" if key["expires_at"] is not None and key["expires_at"] < time.time() else "active"


def _limit(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in list(Limit) or not number.isdecimal():
        raise BadRequest(f"{text!r} is no limit", "it is a name, = and a whole number", f"names are {', '.join(Limit)}")
    return name, int(number)


def _moment(text: str) -> float | None:
    try:
        return at(read_moment(text), time.time())
    except ValueError as error:
        raise BadRequest(f"{text!r} is no time", str(error), "give a time with its zone, or as 30d from now") from error
