"""Every route of every dialect with a valid request, and how that dialect writes errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any], bool]

_SAY = [{"role": "system", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]
_TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}


@dataclass(frozen=True)
class Route:
    path: str
    valid: dict[str, Any]
    method: str = "POST"
    check: Check = field(repr=False, default=lambda _: False)


def is_openai(said: Any) -> bool:
    return set(said) == {"error"} and set(said["error"]) == {"message", "type", "param", "code"}


def is_anthropic(said: Any) -> bool:
    error = said.get("error", {})
    return said.get("type") == "error" and set(error) == {"type", "message"} and isinstance(error["message"], str)


def is_ollama(said: Any) -> bool:
    return set(said) == {"error"} and isinstance(said["error"], str)


def is_own(said: Any) -> bool:
    return set(said) == {"error"} and {"code", "what", "why", "fix", "message"} <= set(said["error"])


_OPENAI = {
    "/v1/chat/completions": {
        "model": "echo", "messages": [*_SAY, {"role": "assistant", "content": None, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]}, {"role": "tool", "tool_call_id": "a", "content": "x"}],
        "stream": False, "stream_options": {"include_usage": True}, "max_tokens": 5, "temperature": 0.5, "top_p": 1,
        "n": 1, "stop": ["x"], "seed": 1, "logprobs": True, "top_logprobs": 2, "tool_choice": "auto",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": _TOOL}}], "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": _TOOL}}, "user": "me",
    },
    "/v1/completions": {
        "model": "echo", "prompt": ["hi"], "stream": False, "max_tokens": 5, "stop": ["x"], "suffix": "", "echo": None,
    },
    "/v1/embeddings": {"model": "echo", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 8},
    "/v1/responses": {
        "model": "echo", "instructions": "be brief", "stream": False, "max_output_tokens": 5, "text": {"format": {
            "type": "json_schema", "name": "a", "schema": _TOOL
        }}, "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "x"},
        ], "tools": [{"type": "function", "name": "f", "parameters": _TOOL}], "reasoning": {"effort": "low"},
        "previous_response_id": None, "metadata": {"a": "b"}, "store": False,
    },
    "/v1/batches": {
        "input_file_id": "file_x", "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "metadata": {"a": "b"},
    },
}  # fmt: skip
_MESSAGE = {
    "model": "echo", "max_tokens": 5, "system": [{"type": "text", "text": "be brief"}], "stream": False, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [
            {"type": "text", "text": "x"}
        ]}]},
    ], "tools": [{"name": "f", "description": "d", "input_schema": _TOOL}], "tool_choice": {"type": "auto"},
    "stop_sequences": ["x"], "thinking": {"type": "enabled", "budget_tokens": 1024}, "temperature": 1, "top_k": 1,
    "metadata": {"user_id": "me"},
}  # fmt: skip
_ANTHROPIC = {
    "/v1/messages": _MESSAGE,
    "/anthropic/v1/messages": _MESSAGE,
    "/v1/messages/count_tokens": {name: _MESSAGE[name] for name in ("model", "messages", "system", "tools")},
    "/v1/messages/batches": {"requests": [{"custom_id": "a", "params": _MESSAGE}]},
}
_OPTIONS = {"num_predict": 5, "temperature": 0.5, "stop": ["x"], "seed": 1, "num_ctx": 4096}
_OLLAMA = {
    "/api/chat": {
        "model": "echo", "messages": [{"role": "user", "content": "hi", "images": []}, {
            "role": "assistant", "content": "", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {}}}]
        }, {"role": "tool", "content": "x", "tool_name": "f"}], "stream": False, "format": "",
        "options": _OPTIONS, "keep_alive": "5m", "think": False,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": _TOOL}}],
    },
    "/api/generate": {
        "model": "echo", "prompt": "hi", "system": "s", "stream": False, "options": _OPTIONS, "keep_alive": 60,
        "raw": False, "suffix": "", "images": [], "format": _TOOL, "context": [], "template": "",
    },
    "/api/embed": {"model": "echo", "input": ["a"], "truncate": True, "dimensions": 4, "options": _OPTIONS},
    "/api/embeddings": {"model": "echo", "prompt": "a", "keep_alive": -1},
    "/api/show": {"model": "echo", "verbose": True},
    "/api/copy": {"source": "none", "destination": "other"},
    "/api/create": {"model": "new", "from": "none", "parameters": {"a": 1}, "system": "s", "stream": False, "files": {
        "a.gguf": "sha256:" + "0" * 64
    }},
    "/api/pull": {"model": "none", "stream": False, "insecure": False},
}  # fmt: skip

ROUTES = [
    *(Route(path, valid, check=is_openai) for path, valid in _OPENAI.items()),
    *(Route(path, valid, check=is_anthropic) for path, valid in _ANTHROPIC.items()),
    *(Route(path, valid, check=is_ollama) for path, valid in _OLLAMA.items()),
    Route("/api/delete", {"model": "none"}, "DELETE", is_ollama),
]
