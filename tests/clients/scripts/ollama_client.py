"""What Ollama's own client does: `python ollama_client.py URL`."""

from __future__ import annotations

import sys

from ollama import Client, ResponseError

client = Client(host=sys.argv[1], timeout=120)
HELLO = [{"role": "user", "content": "Say hello."}]
FEW = {"num_predict": 8}

assert any(model.model.startswith("smollm2") for model in client.list().models)
assert "completion" in client.show("smollm2").capabilities

whole = client.chat("smollm2", HELLO, options=FEW)
assert whole.done
assert whole.message.content
pieces = list(client.chat("smollm2", HELLO, stream=True, options=FEW))
assert pieces[-1].done
assert "".join(piece.message.content for piece in pieces)
assert any(run.model.startswith("smollm2") for run in client.ps().models)

assert client.generate("smollm2", "Say hello.", options=FEW).response
assert list(client.generate("smollm2", "Say hello.", stream=True, options=FEW))[-1].done
assert len(client.embed("echo", ["a", "b"]).embeddings) == 2
assert client.embeddings("echo", "a").embedding

try:
    client.chat("nobody", HELLO)
except ResponseError as error:
    refused = error
else:
    raise AssertionError("a model that is not there answered")
assert refused.status_code == 404
