"""What all of the front door's bodies share.

Times are seconds since 1970 by the database's clock; sizes are bytes. Lists have the shape that OpenAI's clients read.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

T = TypeVar("T")

#: Of an object that somebody sends.
_FIELDS = 1000


class In(BaseModel):
    """A request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _is_small(cls, said: Any) -> Any:
        """Each of a million unknown fields would be an error of its own: gigabytes, and the one loop for seconds."""
        parts = (said, *said.values()) if isinstance(said, dict) else ()
        if any(isinstance(part, dict) and len(part) > _FIELDS for part in parts):
            raise ValueError(f"an object in it has more than {_FIELDS} fields")
        return said


class Out(BaseModel):
    """An answer, read from a row or from values."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Page(Out, Generic[T]):
    """One page of a list; while it `has_more`, `?after=<last_id>` gives the next. Lists without `after` come whole."""

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
