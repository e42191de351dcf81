"""What chats begin with before their own first message: a system message, and what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Opening(BaseModel):
    """A chat goes on from `messages`; one in which no message instructs begins with `system`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str | None = Field(None, description="System message of chats that have none.")
    messages: list[dict[str, Any]] = Field([], description="What was said before: chats go on from there.")

    def before(self, messages: Sequence[Any]) -> list[Any]:
        """The whole chat."""
        chat = [*self.messages, *messages]
        if self.system and not any(_instructs(message) for message in chat):
            chat.insert(0, {"role": "system", "content": self.system})
        return chat


def _instructs(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") in ("system", "developer")
