"""What all of the front door's bodies share.

Times are seconds since 1970 by the database's clock; sizes are bytes. Lists have the shape that OpenAI's clients read.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")


class In(BaseModel):
    """A request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """An answer, read from a row or from values."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Page(Out, Generic[T]):
    """One page of a list, newest first; `?after=<last_id>` gives the next."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class ErrorBody(Out):
    """What happened, why, and how to fix it; `message`, `type` and `param` are what OpenAI's clients read."""

    code: str
    what: str
    why: str = ""
    fix: str = ""
    details: dict[str, Any] = {}
    message: str
    type: str
    param: str | None = None


class ErrorOut(Out):
    error: ErrorBody


class DeletedOut(Out):
    id: str
    object: str
    deleted: Literal[True] = True
