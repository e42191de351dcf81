"""Every shape of answer against the types of Anthropic's own client, strictly: `python anthropic_shapes.py URL`."""

from __future__ import annotations

import json
import sys
from typing import Any

from anthropic import Anthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

client = Anthropic(base_url=sys.argv[1], api_key="none", timeout=120)
EVENT = TypeAdapter(RawMessageStreamEvent)
PLACE = {"type": "object", "properties": {"at": {"type": "string", "maxLength": 8}}, "required": ["at"]}
LOOK = {"name": "look", "description": "Looks.", "input_schema": PLACE}
#: The echo engine repeats what it hears, also what a model would think.
THOUGHT = [{"role": "user", "content": "<think>hm</think> yes"}]
ASKED: dict[str, dict[str, Any]] = {
    "text": {"max_tokens": 8},
    "tool_use": {"max_tokens": 100, "tools": [LOOK], "tool_choice": {"type": "any"}},
    "tool_use by name": {"max_tokens": 100, "tools": [LOOK], "tool_choice": {"type": "tool", "name": "look"}},
    "thinking": {"model": "echo", "messages": THOUGHT, "thinking": {"type": "enabled", "budget_tokens": 1024}},
}

for name, more in ASKED.items():
    asked = {"model": "smollm2", "max_tokens": 60, "messages": [{"role": "user", "content": "Where is it?"}]} | more
    kind = name.split()[0]
    whole = json.dumps(client.post("/v1/messages", cast_to=object, body=asked))
    message = Message.model_validate_json(whole, strict=True)
    assert message.content[0].type == kind, name
    with client.messages.with_streaming_response.create(**asked, stream=True) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    events = [EVENT.validate_json(line, strict=True) for line in lines if '"ping"' not in line]
    assert events[0].type == "message_start", name
    assert events[1].content_block.type == kind, name
    assert events[-1].type == "message_stop", name
    if kind == "tool_use":
        assert message.stop_reason == events[-2].delta.stop_reason == "tool_use", name
        assert set(message.content[0].input) == {"at"}, name
        written = "".join(event.delta.partial_json for event in events if event.type == "content_block_delta")
        assert set(json.loads(written)) == {"at"}, name
    if kind == "thinking":
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert (message.content[0].thinking, message.content[1].text) == ("hm", "yes")

with client.messages.stream(
    model="smollm2", messages=[{"role": "user", "content": "Where?"}], **ASKED["tool_use"]
) as stream:
    assert stream.get_final_message().content[0].input
