"""What goes in and out about other names of models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from api.schemas.base import In, Out
from shared.nesting import FlatObject, flat
from shared.runtimes import MOST_CONTEXT

#: What the request itself must say.
_NOT_TO_DEFAULT = frozenset({"model", "messages", "prompt", "input", "stream", "stream_options"})


class AliasIn(In):
    """What a name means from now on."""

    model: str = Field(min_length=1, max_length=300, description="A model, or `model@host` for one host's only.")
    system: str | None = Field(
        default=None, max_length=100_000, description="Begins chats that have no system message."
    )
    messages: Annotated[list[dict[str, Any]], AfterValidator(flat)] = Field(
        default=[], description="What was said before: chats under this name go on from there."
    )
    context: int | None = Field(
        default=None, ge=16, le=MOST_CONTEXT, description="Tokens of a slot, when the model must be loaded."
    )
    parameters: FlatObject = Field(
        default={}, description="Fields of a request, such as temperature, for requests that leave them out."
    )

    @field_validator("parameters")
    @classmethod
    def _can_be_left_out(cls, value: dict[str, Any]) -> dict[str, Any]:
        if wrong := _NOT_TO_DEFAULT & set(value):
            raise ValueError(f"{', '.join(sorted(wrong))} cannot have a default")
        return value

    @field_validator("messages")
    @classmethod
    def _have_roles(cls, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not all(isinstance(message.get("role"), str) for message in value):
            raise ValueError("each message needs a role, and has content")
        return value

    def defaults(self) -> dict[str, Any]:
        """As they are kept with the alias."""
        own = {"system": self.system, "messages": self.messages or None, "context": self.context}
        return self.parameters | {name: value for name, value in own.items() if value is not None}


class AliasOut(Out):
    """Another name of a model."""

    name: str
    object: Literal["model_alias"] = "model_alias"
    model: str
    host: str | None
    system: str | None
    messages: list[dict[str, Any]]
    context: int | None
    parameters: dict[str, Any]
    created_at: float
