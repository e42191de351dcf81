"""What OpenAI's own client shows a model: `python openai_pictures.py URL PICTURE`."""

from __future__ import annotations

import sys
from base64 import b64encode
from pathlib import Path

from openai import BadRequestError, OpenAI

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", timeout=120)
ADDRESS = f"data:image/png;base64,{b64encode(Path(sys.argv[2]).read_bytes()).decode()}"
WORDS = {"type": "text", "text": "What do you see?"}
SHOWN = [{"role": "user", "content": [WORDS, {"type": "image_url", "image_url": {"url": ADDRESS, "detail": "low"}}]}]
TOLD = [{"role": "user", "content": [WORDS]}]
INPUT = [{"type": "input_text", "text": WORDS["text"]}, {"type": "input_image", "image_url": ADDRESS}]

seen, unseen = (client.chat.completions.create(model="seeing", messages=m, max_tokens=8) for m in (SHOWN, TOLD))
assert seen.choices[0].message.content
assert seen.usage.prompt_tokens >= unseen.usage.prompt_tokens + 4, "a picture is some tokens"
pieces = client.chat.completions.create(model="seeing", messages=SHOWN, max_tokens=8, stream=True)
assert "".join(piece.choices[0].delta.content or "" for piece in pieces)

asked = {"model": "seeing", "input": [{"role": "user", "content": INPUT}], "max_output_tokens": 8}
assert client.responses.create(**asked).output_text
with client.responses.stream(**asked) as events:
    assert [event for event in events if event.type == "response.output_text.delta"]

try:
    client.chat.completions.create(model="smollm2", messages=SHOWN)
except BadRequestError as error:
    refused = error
else:
    raise AssertionError("a model without a projector saw a picture")
assert "cannot see" in str(refused)
