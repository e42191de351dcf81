"""What OpenAI's own client does: `python openai_client.py URL`."""

from __future__ import annotations

import sys

from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", timeout=120)
HELLO = [{"role": "user", "content": "Say hello."}]

assert "smollm2" in [model.id for model in client.models.list()]
assert client.models.retrieve("smollm2").id == "smollm2"

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

for form in ("float", "base64"):
    vectors = client.embeddings.create(model="echo", input=["a", "b"], encoding_format=form)
    assert len(vectors.data) == 2
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
