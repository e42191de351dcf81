"""What Anthropic's own client does: `python anthropic_client.py URL`."""

from __future__ import annotations

import sys
from typing import Literal

from anthropic import Anthropic, BadRequestError, NotFoundError, beta_tool
from anthropic.types import Message, ModelInfo

HELLO = [{"role": "user", "content": "Say hello."}]
LOOK = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string", "maxLength": 8}}}}

for base in (sys.argv[1], f"{sys.argv[1]}/anthropic"):
    client = Anthropic(base_url=base, api_key="none", timeout=120)
    listed = list(client.models.list(limit=1))
    assert len({model.id for model in listed}) == len(listed) > 1
    assert "smollm2" in [model.id for model in listed]
    one = client.models.retrieve("smollm2")
    ModelInfo.model_validate(one.model_dump())
    assert (one.type, one.id) == ("model", "smollm2")

    whole = client.messages.create(model="smollm2", messages=HELLO, max_tokens=8, system="Be brief.")
    Message.model_validate(whole.model_dump())
    assert (whole.role, whole.model) == ("assistant", "smollm2")
    assert whole.content[0].text
    assert whole.usage.output_tokens <= 8

    counted = client.messages.count_tokens(model="smollm2", messages=HELLO, system="Be brief.").input_tokens
    used = whole.usage
    assert counted == used.input_tokens + (used.cache_read_input_tokens or 0), "a run that is loaded counts exactly"
    assert client.beta.messages.count_tokens(model="smollm2", messages=HELLO, betas=["unknown-2099"]).input_tokens

    with client.messages.stream(model="smollm2", messages=HELLO, max_tokens=8) as stream:
        assert "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.stop_reason in ("end_turn", "max_tokens")

    kinds = []
    for event in client.messages.create(model="smollm2", messages=HELLO, max_tokens=4, stream=True):
        kinds.append(event.type)
        if event.type == "message_start":
            told = event.message.usage
            assert told.input_tokens + (told.cache_read_input_tokens or 0) > 0
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]

client = Anthropic(base_url=sys.argv[1], api_key="none", timeout=120)
use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "here"}}
answered = client.messages.create(
    model="smollm2",
    max_tokens=8,
    tools=[LOOK],
    messages=[
        *HELLO,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"], "content": "seen"}]},
    ],
)
assert answered.usage.output_tokens


def prompt(message) -> int:
    """How long what it answers was."""
    return message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)


@beta_tool
def weather(place: Literal["Paris", "Rome"]) -> str:
    """Tell the weather.

    Args:
        place: Where.
    """
    return f"It rains in {place}."


# What these helpers would have the server keep is refused, and then sent whole: nothing of the talk is lost.
turns = list(
    client.beta.messages.tool_runner(
        model="smollm2", max_tokens=60, system="Be brief.", tools=[weather], tool_choice={"type": "any"},
        messages=[{"role": "user", "content": "How is the weather in Paris?"}], max_iterations=2,
    )
)  # fmt: skip
assert [turn.stop_reason for turn in turns] == ["tool_use", "tool_use"]
assert prompt(turns[0]) < prompt(turns[1])
alone = {"unsupported_request_behavior": "continue_unthreaded"}
thread = client.beta.messages.thread(model="echo", max_tokens=20, system="Be brief.", **alone)
first, second = (thread.send({"role": "user", "content": said}) for said in ("My name is Ann.", "And?"))
assert prompt(first) < prompt(second)

STOPS = ["e", "o", " "]
ended = client.messages.create(
    model="smollm2", messages=HELLO, max_tokens=60, stop_sequences=STOPS, extra_body={"temperature": 0}
)
assert ended.stop_reason == "stop_sequence"
assert ended.stop_sequence in STOPS

# A thought comes signed, is sent back as it came, and the document beside it is read.
with client.messages.stream(
    model="echo", messages=[{"role": "user", "content": "<think>hm</think> yes"}], max_tokens=20,
    thinking={"type": "enabled", "budget_tokens": 1024},
) as stream:  # fmt: skip
    thought = stream.get_final_message().content
assert [block.type for block in thought] == ["thinking", "text"]
assert thought[0].signature
note = {"type": "document", "title": "A note", "source": {"type": "text", "media_type": "text/plain", "data": "see"}}
said = client.messages.create(
    model="echo",
    max_tokens=20,
    messages=[*HELLO, {"role": "assistant", "content": thought}, {"role": "user", "content": [note]}],
)
assert said.content[0].text == "A note see"

for wrong, body in ((NotFoundError, {"model": "nobody"}), (BadRequestError, {"max_tokens": 0})):
    try:
        client.messages.create(**{"model": "smollm2", "messages": HELLO, "max_tokens": 4} | body)
    except wrong as error:
        refused = error
    else:
        raise AssertionError(f"{body} was answered")
    assert refused.body["type"] == "error"
