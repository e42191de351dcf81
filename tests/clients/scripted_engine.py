"""An engine with a script, for agents that small models cannot drive: it reads a file with their tool, and says it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.serving import serving

#: What agents call the tool that reads a file, or the shell that can.
_READERS = ("Read", "read_file", "exec_command")
_CHAT = "/v1/chat/completions"


@dataclass
class Script:
    """One file to be read, and what the engine was asked for."""

    path: str
    asked: list[dict[str, Any]] = field(default_factory=list)

    def reply(self, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The message and why it ends: the reader's call, then what it read; asks without such a tool get one word."""
        self.asked.append(body)
        reader = next(
            (tool["function"] for tool in body.get("tools", ()) if tool["function"]["name"] in _READERS), None
        )
        if reader is None:
            return {"content": "Reading"}, "stop"
        if body["messages"][-1]["role"] == "tool":
            return {"content": f"It says: {_text(body['messages'][-1]['content'])}"}, "stop"
        function = {"name": reader["name"], "arguments": json.dumps(self._arguments(reader))}
        return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}, "tool_calls"

    def _arguments(self, reader: dict[str, Any]) -> dict[str, str]:
        """A shell's command, or the path under the name that the tool gives it."""
        known = reader["parameters"]["properties"]
        if "cmd" in known:
            return {"cmd": f"cat {shlex.quote(self.path)}"}
        return {next(name for name in known if "path" in name.lower()): self.path}


@contextmanager
def scripted_engine(script: Script) -> Iterator[str]:
    """Its URL, while it answers."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), lambda *of: _Handler(script, *of))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, script: Script, *of: Any) -> None:
        self._script = script
        super().__init__(*of)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != _CHAT:
            self.send_error(404)
            return
        message, reason = self._script.reply(body)
        chunks = [({"role": "assistant", **message}, None), ({}, reason)]
        said = [{"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in chunks]
        usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}
        lines = [f"data: {json.dumps(each)}\n\n" for each in (*said, usage)]
        written = "".join((*lines, "data: [DONE]\n\n")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, *of: object) -> None:
        """Nothing: pytest shows what failed."""


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
