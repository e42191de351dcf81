"""What Ollama's command line asks, call by call, with the fields it reads: `python ollama_cli.py URL MODEL`.

The program is in no registry. Source of its calls and fields: `cmd/cmd.go` and `api/client.go` of ollama/ollama.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from datetime import datetime

MODEL = sys.argv[2]


def ask(method: str, path: str, body: object = None) -> tuple[int, list[dict]]:
    """The status and the lines of the answer."""
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson", "User-Agent": "ollama/0.12.6"}
    request = urllib.request.Request(sys.argv[1] + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    return status, [json.loads(line) for line in content.splitlines() if line.startswith(b"{")]


def asked(method: str, path: str, body: object = None) -> list[dict]:
    status, lines = ask(method, path, body)
    assert status == 200, (path, status, lines)
    return lines


# Every command begins with a heartbeat.
asked("HEAD", "/")

# ollama --version
assert [int(part) for part in asked("GET", "/api/version")[0]["version"].split(".")] >= [0, 6, 4]

# ollama list
for model in asked("GET", "/api/tags")[0]["models"]:
    assert model["name"]
    assert len(model["digest"][:12]) == 12
    assert model["size"] >= 0
    datetime.fromisoformat(model["modified_at"])

# ollama show
for name in (MODEL, "echo"):
    shown = asked("POST", "/api/show", {"model": name, "name": name, "system": "", "options": None})[0]
    assert isinstance(shown["model_info"]["general.architecture"], str)
    assert shown["details"]["families"]
    assert "completion" in shown["capabilities"]

# ollama run MODEL PROMPT: shown first, and pulled when it is not there.
assert ask("POST", "/api/show", {"model": "nobody", "name": "nobody"})[0] == 404
asking = {"model": MODEL, "prompt": "Say hello.", "suffix": "", "system": "", "template": "", "options": {}}
told = asked("POST", "/api/generate", asking | {"format": "", "context": None, "options": {"num_predict": 8}})
assert "".join(line["response"] for line in told)
assert told[-1]["done"]
assert told[-1]["eval_count"] > 0
assert told[-1]["total_duration"] > 0

# ollama run MODEL: loaded with an empty prompt, then a talk.
assert asked("POST", "/api/generate", {"model": MODEL, "prompt": "", "keep_alive": "5m"})[-1]["done"]
messages = [{"role": "user", "content": "Say hello."}]
told = asked("POST", "/api/chat", {"model": MODEL, "messages": messages, "format": "", "options": {"num_predict": 8}})
assert told[-1]["done"]
assert {line["message"]["role"] for line in told} == {"assistant"}

# /save in a talk: a model that goes on from there.
asked("POST", "/api/create", {"model": "talk-cli", "from": MODEL, "parameters": {"seed": 1}, "messages": messages})
assert asked("POST", "/api/show", {"model": "talk-cli"})[0]["messages"] == messages
more = {"model": "talk-cli", "messages": messages, "options": {"num_predict": 1}}
went_on = asked("POST", "/api/chat", more)
assert went_on[-1]["prompt_eval_count"] > told[-1]["prompt_eval_count"]
asked("DELETE", "/api/delete", {"model": "talk-cli", "name": "talk-cli"})

# ollama ps: a model may have several runs.
listed = [each for each in asked("GET", "/api/ps")[0]["models"] if each["name"].startswith(MODEL)]
assert listed
for running in listed:
    assert len(running["digest"][:12]) == 12
    assert 0 <= running["size_vram"] <= running["size"]
    datetime.fromisoformat(running["expires_at"])

# ollama pull, cp, rm: progress lines name a digest, or nothing that looks like one.
told = asked("POST", "/api/pull", {"model": MODEL, "name": MODEL, "insecure": False})
assert told[-1]["status"] == "success"
assert all(len(line["digest"][7:19]) == 12 for line in told if line.get("digest"))
asked("POST", "/api/copy", {"source": MODEL, "destination": "other-cli"})
asked("DELETE", "/api/delete", {"model": "other-cli", "name": "other-cli"})

# ollama stop
assert asked("POST", "/api/generate", {"model": MODEL, "keep_alive": 0})[-1]["done_reason"] == "unload"
