"""What Ollama's own client does: `python ollama_client.py URL`."""

from __future__ import annotations

import json
import sys
import tempfile

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
assert [len(vector) for vector in client.embed("echo", ["a", "b"], dimensions=4).embeddings] == [4, 4]
likely = client.chat("smollm2", HELLO, options={"num_predict": 2.0}, logprobs=True, top_logprobs=2).logprobs
assert [len(token.top_logprobs) for token in likely] == [2, 2]
assert client.embeddings("echo", "a").embedding

try:
    client.chat("nobody", HELLO)
except ResponseError as error:
    refused = error
else:
    raise AssertionError("a model that is not there answered")
assert refused.status_code == 404

# Names and models that are made, and go again.
told = list(client.create("brief", from_="smollm2", system="Be brief.", parameters={"temperature": 0}, stream=True))
assert told[-1].status == "success"
assert "temperature" in (client.show("brief").parameters or "")
assert client.chat("brief", HELLO, options=FEW).message.content
client.copy("brief", "other")
for name in ("brief", "other"):
    client.delete(name)
assert not {"brief:latest", "other:latest"} & {model.model for model in client.list().models}

# What is here already is pulled at once, whole and told in lines.
assert client.pull("smollm2").status == "success"
assert [line.status for line in client.pull("smollm2", stream=True)][-1] == "success"

# Files are known by their checksum.
with tempfile.NamedTemporaryFile() as file:
    file.write(b"not a model")
    file.flush()
    digest = client.create_blob(file.name)
assert digest.startswith("sha256:")

# Answers of a shape, and without a template.
shape = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
answer = client.chat("smollm2", HELLO, format=shape, options={"num_predict": 40, "temperature": 0}).message.content
assert isinstance(json.loads(answer or "")["age"], int)
assert client.generate("smollm2", "One, two,", raw=True, options=FEW).response

# Nothing asked loads, and with nothing kept unloads.
assert client.generate("smollm2", keep_alive="10m").done_reason == "load"
assert client.chat("smollm2", keep_alive=0).done_reason == "unload"
