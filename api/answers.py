"""Answers made of one model, written to JSON once: what a route returns as a response is not checked a second time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from pydantic import BaseModel
from starlette.responses import Response

from api.schemas.base import Page


class Identified(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=Identified)


def as_json(value: BaseModel, status: int = 200, **headers: str) -> Response:
    """The model as JSON; header names are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(value.model_dump_json(), status, named, "application/json")


def page(found: Sequence[Item], limit: int) -> Page[Item]:
    """The first `limit` of what was found; one more than that means that there is a next page."""
    shown = list(found[:limit])
    ends = (shown[0].id, shown[-1].id) if shown else (None, None)
    return Page(data=shown, has_more=len(found) > limit, first_id=ends[0], last_id=ends[1])
