"""Every shape of answer against the types of OpenAI's own client, strictly: `python openai_shapes.py URL`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", timeout=120)
HELLO = [{"role": "user", "content": "Say hello."}]
#: The echo engine repeats what it hears, also what a model would think.
THOUGHT = {"model": "echo", "messages": [{"role": "user", "content": "<think>hm</think> yes"}]}
PLACE = {"type": "object", "properties": {"at": {"type": "string", "maxLength": 8}}, "required": ["at"]}
LOOK = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": PLACE}}
GO = {"type": "function", "function": {"name": "go"}}
SHAPE = {"type": "json_schema", "json_schema": {"name": "said", "schema": PLACE, "strict": True}}
CHATS: dict[str, dict[str, Any]] = {
    "text": {"max_tokens": 8},
    "cut off": {"max_tokens": 1},
    "several": {"max_tokens": 4, "n": 2},
    "probabilities": {"max_tokens": 4, "logprobs": True, "top_logprobs": 2},
    "a schema": {"max_tokens": 60, "response_format": SHAPE},
    "any tool": {"max_tokens": 100, "tools": [LOOK, GO], "tool_choice": "required"},
    "one tool": {
        "max_tokens": 100,
        "tools": [LOOK, GO],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
    },
    "tools at once": {"max_tokens": 60, "tools": [LOOK], "tool_choice": "required", "parallel_tool_calls": True},
    "thoughts": THOUGHT,
}


def streamed(resource: Any, body: dict[str, Any]) -> Iterator[str]:
    """The data of each event, as it was sent."""
    with resource.with_streaming_response.create(**body, stream=True) as answer:
        yield from (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))


def whole(path: str, body: dict[str, Any]) -> str:
    return json.dumps(client.post(path, cast_to=object, body=body))


for name, more in CHATS.items():
    asked = {"model": "smollm2", "messages": HELLO, "temperature": 0} | more
    message = ChatCompletion.model_validate_json(whole("/chat/completions", asked), strict=True).choices[0].message
    *events, done = streamed(client.chat.completions, asked | {"stream_options": {"include_usage": True}})
    assert done == "[DONE]", name
    chunks = [ChatCompletionChunk.model_validate_json(event, strict=True) for event in events]
    assert chunks[-1].usage, name
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices if choice.index == 0]
    assert [delta.role for delta in deltas if delta.role] == ["assistant"], name
    reasons = [c.finish_reason for chunk in chunks for c in chunk.choices if c.index == 0 and c.finish_reason]
    assert len(reasons) == 1, (name, events[-6:])
    reason = reasons[0]
    if "tool" in name:
        pieces = [piece for delta in deltas for piece in delta.tool_calls or ()]
        for call in (message.tool_calls or [])[:1]:
            assert call.function.name in ("look", "go"), name
        assert pieces[0].index == 0, name
        assert pieces[0].id, name
        assert pieces[0].type == "function", name
        assert pieces[0].function.name in ("look", "go"), name
        if "at once" not in name:
            assert reason == "tool_calls", name
            json.loads("".join(piece.function.arguments or "" for piece in pieces))
            json.loads(message.tool_calls[0].function.arguments)
    if name == "one tool":
        assert message.tool_calls[0].function.name == "look"
    if name == "thoughts":
        assert message.content == "yes"
        assert message.reasoning_content == "hm"
        assert "".join(getattr(delta, "reasoning_content", "") or "" for delta in deltas) == "hm"
        assert "".join(delta.content or "" for delta in deltas) == "yes"

EVENT = TypeAdapter(ResponseStreamEvent)
FUNCTION = {"type": "function", "strict": None, **LOOK["function"]}
SEARCH = {"type": "web_search"}
SAID_AGAIN: dict[str, Any] = {
    "metadata": {"a": "b"},
    "truncation": "auto",
    "text": {"verbosity": "low"},
    "safety_identifier": "x",
}
RESPONSES: dict[str, dict[str, Any]] = {
    "message": {"max_output_tokens": 8, "tools": [SEARCH], "tool_choice": SEARCH, **SAID_AGAIN},
    "function_call": {"tools": [FUNCTION], "tool_choice": "required"},
    "reasoning": {"model": "echo", "input": "<think>hm</think> yes"},
}
for kind, more in RESPONSES.items():
    asked = {"model": "smollm2", "input": "Say hello.", "temperature": 0} | more
    answer = Response.model_validate_json(whole("/responses", asked), strict=True)
    assert answer.output[0].type == kind
    events = [EVENT.validate_json(event, strict=True) for event in streamed(client.responses, asked)]
    assert events[0].type == "response.created"
    assert events[-1].response.output[0].type == kind

# What was called and returned is read again, with all that the client got.
first = client.chat.completions.create(
    model="smollm2", messages=HELLO, tools=[LOOK], tool_choice="required", max_tokens=60
)
said = first.choices[0].message
result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "seen"}
after = client.chat.completions.create(model="smollm2", messages=[*HELLO, said, result], tools=[LOOK], max_tokens=8)
assert after.usage.prompt_tokens > first.usage.prompt_tokens
