"""What OpenAI's own client does: `python openai_client.py URL`."""

from __future__ import annotations

import sys

from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, Field

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", timeout=120)
HELLO = [{"role": "user", "content": "Say hello."}]

assert "smollm2" in [model.id for model in client.models.list()]
assert client.models.retrieve("smollm2").id == "smollm2"
for order in ("asc", "desc"):
    assert len(list(client.files.list(order=order, limit=1))) == len(list(client.files.list(limit=10_000)))

raw = client.chat.completions.with_raw_response.create(model="smollm2", messages=HELLO, max_tokens=8, seed=1)
whole = raw.parse()
ChatCompletion.model_validate(whole.model_dump(), strict=False)
assert whole.model == "smollm2"
assert whole.choices[0].message.content
assert whole.usage.completion_tokens <= 8

usage = {"include_usage": True}
chunks = list(
    client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=8, stream=True, stream_options=usage)
)
assert chunks[0].choices[0].delta.role == "assistant"
assert chunks[-1].choices == []
assert chunks[-1].usage.completion_tokens <= 8
assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]

with client.chat.completions.stream(model="smollm2", messages=HELLO, max_tokens=8) as stream:
    for _ in stream:
        pass
    assert stream.current_completion_snapshot.choices[0].message.content

schema = {"type": "object", "properties": {"word": {"type": "string", "maxLength": 8}}, "required": ["word"]}
shaped = client.chat.completions.create(
    model="smollm2",
    messages=HELLO,
    max_tokens=40,
    response_format={"type": "json_schema", "json_schema": {"name": "said", "schema": schema}},
)
assert shaped.choices[0].message.content.startswith("{")

plain = client.completions.create(model="smollm2", prompt="Once upon a", max_tokens=5)
assert plain.choices[0].text
assert "".join(
    c.choices[0].text for c in client.completions.create(model="smollm2", prompt="a", max_tokens=5, stream=True)
)

several = list(
    client.completions.create(
        model="smollm2", prompt="a", max_tokens=3, n=2, stream=True, logprobs=1, stream_options=usage, temperature=0
    )
)
assert several[-1].choices == []
assert several[-1].usage.completion_tokens == 6
told = (
    client.completions.create(model="smollm2", prompt="a", max_tokens=3, logprobs=1, temperature=0).choices[0].logprobs
)
assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs) == len(told.text_offset) == 3
repeated = client.completions.create(model="smollm2", prompt="Once upon", max_tokens=3, echo=True)
assert repeated.choices[0].text.startswith("Once upon")
assert client.completions.create(model="smollm2", prompt=[1, 2, 3], max_tokens=2).usage.prompt_tokens == 3

# What clients may say and no engine here needs; the newer name of the limit.
said = client.chat.completions.create(
    model="smollm2", messages=HELLO, max_completion_tokens=3, logit_bias={"11": -100}, service_tier="auto", store=True,
    metadata={"a": "b"}, user="u", stop=None, seed=None, presence_penalty=0.1, frequency_penalty=0.1, top_p=0.9,
)  # fmt: skip
assert said.usage.completion_tokens <= 3


# Functions, as they were called before there were tools.
place = {"type": "object", "properties": {"at": {"type": "string", "maxLength": 8}}, "required": ["at"]}
look = {"name": "look", "description": "Looks.", "parameters": place}
old = {"functions": [look], "function_call": {"name": "look"}, "model": "smollm2", "max_tokens": 60}
[called] = client.chat.completions.create(messages=HELLO, **old).choices
assert (called.finish_reason, called.message.function_call.name) == ("function_call", "look")
pieces = [
    chunk.choices[0].delta.function_call for chunk in client.chat.completions.create(messages=HELLO, stream=True, **old)
]
assert "".join(piece.arguments or "" for piece in pieces if piece).startswith("{")
result = {"role": "function", "name": "look", "content": "seen"}
assert client.chat.completions.create(model="smollm2", messages=[*HELLO, called.message, result], max_tokens=4).choices


# Parsed into a type of the caller's.
class Said(BaseModel):
    age: int
    code: str = Field(pattern=r"^\d{5}$")


parsed = client.chat.completions.parse(model="smollm2", messages=HELLO, max_tokens=60, response_format=Said)
assert parsed.choices[0].message.parsed is not None

answered = client.responses.create(model="smollm2", input="Say hello.", max_output_tokens=8)
assert answered.output_text
with client.responses.stream(model="smollm2", input="Say hello.", max_output_tokens=8) as events:
    kinds = [event.type for event in events]
assert (kinds[0], kinds[-1]) in [
    ("response.created", "response.completed"),
    ("response.created", "response.incomplete"),
]
with client.responses.stream(model="echo", input="Say hello.") as events:
    assert events.get_final_response().output_text == "Say hello."
LIKELY = {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "max_output_tokens": 3, "temperature": 0}
[item] = client.responses.create(model="smollm2", input="Say hello.", **LIKELY).output
[part] = item.content
assert "".join(token.token for token in part.logprobs) == part.text
assert [len(token.top_logprobs) for token in part.logprobs] == [2, 2, 2]
with client.responses.stream(model="smollm2", input="Say hello.", **LIKELY) as events:
    told = [event for event in events if event.type.startswith("response.output_text.")]
assert (
    [token.token for event in told[:-1] for token in event.logprobs] == [one.token for one in told[-1].logprobs] != []
)
assert client.responses.input_tokens.count(model="smollm2", input="Say hello.").input_tokens > 10
for form in ("float", "base64"):
    vectors = client.embeddings.create(model="echo", input=["a", "b"], encoding_format=form)
    assert len(vectors.data) == 2
short = client.embeddings.create(model="echo", input=["a", "b"], dimensions=4)
assert [len(one.embedding) for one in short.data] == [4, 4]
CreateEmbeddingResponse.model_validate(client.embeddings.create(model="echo", input="a").model_dump())

try:
    client.chat.completions.create(model="nobody", messages=HELLO)
except NotFoundError as error:
    refused = error
else:
    raise AssertionError("a model that is not there answered")
assert refused.code == "model_not_found"
try:
    client.chat.completions.create(model="smollm2", messages=[])
except BadRequestError:
    pass
else:
    raise AssertionError("no message was answered")
