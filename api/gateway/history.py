"""What a model reads again of its earlier turns: what it answered, not what it thought on the way.

Only within a turn that goes on, between calls of tools and their results, its thoughts still matter; they go to the
engine apart from the text, and the model's template decides what becomes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.gateway.thinking import split_thinking
from api.gateway.thoughts_apart import FIELD


def without_old_thoughts(messages: Sequence[Any]) -> list[Any]:
    """The messages of a chat; what is no message of a model stays as it is, also wrong ones."""
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    asked = max((place for place, role in enumerate(roles) if role == "user"), default=-1)
    return [
        # An assistant's last message is a beginning that the model goes on with, to the letter.
        _apart(message, keep=place > asked) if role == "assistant" and place + 1 < len(messages) else message
        for place, (role, message) in enumerate(zip(roles, messages, strict=True))
    ]


def _apart(message: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    thought, text = message.get(FIELD) or message.get("reasoning"), message.get("content")
    if not thought and isinstance(text, str):
        thought, text = split_thinking(text)
    if not thought:
        return message
    rest = {name: value for name, value in message.items() if name not in (FIELD, "reasoning")}
    return rest | {"content": text} | ({FIELD: thought} if keep else {})
