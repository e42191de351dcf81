"""Thoughts and calls with Ollama's own client, whose types are strict: `python ollama_shapes.py URL`."""

from __future__ import annotations

import json
import sys
from typing import Any

import httpx
from ollama import ChatResponse, Client, GenerateResponse

client = Client(host=sys.argv[1], timeout=120)
#: The echo engine repeats what it hears, also what a model would think.
THOUGHT = "<think>hm</think> yes"
ASK = [{"role": "user", "content": THOUGHT}]

for think, thought in ((True, "hm"), (None, "hm"), (False, "")):
    whole = client.chat("echo", ASK, think=think).message
    assert (whole.content, whole.thinking or "") == ("yes", thought)
    pieces = [piece.message for piece in client.chat("echo", ASK, think=think, stream=True)]
    assert "".join(piece.content for piece in pieces) == "yes"
    assert "".join(piece.thinking or "" for piece in pieces) == thought
    told = client.generate("echo", THOUGHT, think=think)
    assert (told.response, told.thinking or "") == ("yes", thought)


def look(at: str) -> str:
    """Look somewhere.

    Args:
        at: The place.
    """
    return f"{at} is empty"


def place_of(thing: int | str, near: float | None = None) -> str:
    """Find a thing.

    Args:
        thing: Its number or its name.
        near: How near.
    """
    return f"{thing} is here"


assert client.chat("smollm2", ASK, tools=[look, place_of], options={"num_predict": 8}).done

# Ollama's client knows no tool_choice, and its server takes no notice of one: here it is OpenAI's.
place = {"type": "object", "properties": {"at": {"type": "string", "maxLength": 8}}, "required": ["at"]}
tool = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": place}}
asked: dict[str, Any] = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Where is it?"}],
    "tools": [tool],
    "tool_choice": "required",
    "options": {"num_predict": 100},
}
answer = httpx.post(f"{sys.argv[1]}/api/chat", json=asked | {"stream": False}, timeout=120).text
called = ChatResponse.model_validate_json(answer, strict=True)
assert called.message.tool_calls[0].function.name == "look"
assert set(called.message.tool_calls[0].function.arguments) == {"at"}
lines = httpx.post(f"{sys.argv[1]}/api/chat", json=asked, timeout=120).text.splitlines()
pieces = [ChatResponse.model_validate_json(line, strict=True) for line in lines]
assert [call.function.name for piece in pieces for call in piece.message.tool_calls or ()] == ["look"]
assert all(None not in json.loads(line).values() for line in lines)

# Their own way of giving tools and results, and history with thoughts.
history = [*ASK, {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": called.message.tool_calls}]
result = {"role": "tool", "tool_name": "look", "content": look("here")}
assert client.chat("smollm2", [*history, result], tools=[look], options={"num_predict": 8}).done
GenerateResponse.model_validate_json(client.generate("echo", "a").model_dump_json(exclude_none=True), strict=True)
