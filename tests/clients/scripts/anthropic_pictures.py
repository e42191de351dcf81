"""What Anthropic's own client shows a model: `python anthropic_pictures.py URL PICTURE`."""

from __future__ import annotations

import sys
from base64 import b64encode
from pathlib import Path

from anthropic import Anthropic, BadRequestError

client = Anthropic(base_url=sys.argv[1], api_key="none", timeout=120)
DATA = b64encode(Path(sys.argv[2]).read_bytes()).decode()
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
SHOWN = [{"role": "user", "content": [PICTURE, {"type": "text", "text": "What do you see?"}]}]

assert client.messages.create(model="seeing", messages=SHOWN, max_tokens=8).content[0].text
with client.messages.stream(model="seeing", messages=SHOWN, max_tokens=8) as stream:
    assert "".join(stream.text_stream)
assert client.messages.count_tokens(model="seeing", messages=SHOWN).input_tokens

use = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
result = {"type": "tool_result", "tool_use_id": "t1", "content": [PICTURE]}
after = [
    {"role": "user", "content": "Look."},
    {"role": "assistant", "content": [use]},
    {"role": "user", "content": [result]},
]
tools = [{"name": "look", "input_schema": {"type": "object"}}]
assert client.messages.create(model="seeing", messages=after, tools=tools, max_tokens=8).content

try:
    client.messages.create(model="smollm2", messages=SHOWN, max_tokens=8)
except BadRequestError as error:
    refused = error
else:
    raise AssertionError("a model without a projector saw a picture")
assert "cannot see" in str(refused)
