"""An engine's whole answer as a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.gateway.anthropic.signature import Signature
from api.gateway.pieces import Call, Usage, answer_of
from shared.call_arguments import given
from shared.identifiers import new_id

_REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def whole(said: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The message, its content in blocks: thoughts, text, tool calls."""
    answer = answer_of(said)
    content: list[dict[str, Any]] = []
    if answer.thought:
        content.append({"type": "thinking", "thinking": answer.thought, "signature": str(Signature(answer.thought))})
    if answer.text or not (answer.thought or answer.calls):
        content.append({"type": "text", "text": answer.text, "citations": None})
    content += [tool_use(call) | {"input": given(call.arguments)} for call in answer.calls]
    stopped = stop_reason(answer.reason, answer.sequence)
    return message(model, content, stopped, answer.usage) | {"stop_sequence": answer.sequence}


def message(model: str, content: list[dict[str, Any]], reason: str | None, used: Usage) -> dict[str, Any]:
    """A message with all fields that strict clients ask for."""
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": usage(used),
    }


def usage(used: Usage) -> dict[str, Any]:
    """Tokens of the prompt that were in the cache are counted apart; no more of them than the prompt has."""
    cached = min(used.cached, used.prompt)
    return {
        "input_tokens": used.prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": used.completion,
        "cache_creation": None,
        "inference_geo": None,
        "output_tokens_details": {"thinking_tokens": used.reasoning} if used.reasoning else None,
        "server_tool_use": None,
        "service_tier": "standard",
    }


def tool_use(call: Call) -> dict[str, Any]:
    """A call whose input is still to come; the model called by itself, not out of a program of its own."""
    empty = {"type": "tool_use", "id": call.id or new_id("toolu"), "name": call.name or "", "input": {}}
    return empty | {"caller": {"type": "direct"}}


def stop_reason(word: str, sequence: str | None) -> str:
    return _REASONS.get(word, "end_turn" if sequence is None else "stop_sequence")
