"""What Ollama's own client shows a model: `python ollama_pictures.py URL PICTURE`."""

from __future__ import annotations

import sys
from pathlib import Path

from ollama import Client, ResponseError

client = Client(host=sys.argv[1], timeout=120)
FEW = {"num_predict": 8}
PICTURE = Path(sys.argv[2])

assert "vision" in client.show("seeing").capabilities
assert "vision" not in client.show("smollm2").capabilities
for image in (sys.argv[2], PICTURE, PICTURE.read_bytes()):
    shown = [{"role": "user", "content": "What do you see?", "images": [image]}]
    assert client.chat("seeing", shown, options=FEW).message.content
assert list(client.chat("seeing", shown, stream=True, options=FEW))[-1].done
assert client.generate("seeing", "What do you see?", images=[PICTURE], options=FEW).response

try:
    client.chat("smollm2", shown)
except ResponseError as error:
    refused = error
else:
    raise AssertionError("a model without a projector saw a picture")
assert refused.status_code == 400
assert "cannot see" in refused.error
