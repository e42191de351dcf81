"""Coding agents that people run, at work: they read a file with a tool of their own because the model says so."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.runtimes import Endpoint
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.clients.environments import node_with
from tests.clients.scripted_engine import Script, scripted_engine

pytestmark = pytest.mark.e2e


@pytest.fixture
def script(door: Served, fleet: Fleet, tmp_path: Path) -> Iterator[Script]:
    """The model `echo` on an engine that follows it."""
    (tmp_path / "work").mkdir()
    script = Script(str(tmp_path / "work" / "note.txt"))
    Path(script.path).write_text("The cellar is number 4711.\n")
    with scripted_engine(script) as url:
        fleet.ready_run(served=Endpoint(url=url, served_name="scripted", slots=4, context=200_000))
        yield script


def test_claude_code_reads_a_file(door: Served, script: Script, tmp_path: Path) -> None:
    _, folder = node_with("@anthropic-ai/claude-code")
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    command = folder / "node_modules" / "@anthropic-ai" / f"claude-code-{sys.platform}-{machine}" / "claude"
    said = _run(
        [str(command), "-p", "What does note.txt say?", "--allowedTools", "Read"],
        tmp_path,
        ANTHROPIC_BASE_URL=door.url,
        ANTHROPIC_AUTH_TOKEN="none",
        ANTHROPIC_MODEL="echo",
        ANTHROPIC_DEFAULT_HAIKU_MODEL="echo",
        CLAUDE_CODE_MAX_CONTEXT_TOKENS="200000",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
    )
    assert "It says:" in said
    assert "number 4711" in said


def test_continue_reads_a_file(door: Served, script: Script, tmp_path: Path) -> None:
    node, folder = node_with("@continuedev/cli")
    (tmp_path / "config.yaml").write_text(
        f"""
name: Cidermill
version: 1.0.0
schema: v1
models:
  - name: Echo
    provider: openai
    model: echo
    apiBase: {door.url}/v1
    apiKey: none
    roles: [chat, edit]
"""
    )
    command = folder / "node_modules" / "@continuedev" / "cli" / "dist" / "cn.js"
    asked = ["-p", "What does note.txt say?", "--config", str(tmp_path / "config.yaml")]
    said = _run([str(node), str(command), *asked], tmp_path, CONTINUE_TELEMETRY_ENABLED="0")
    assert "number 4711" in said


def test_codex_reads_a_file(door: Served, script: Script, tmp_path: Path) -> None:
    node, folder = node_with("@openai/codex")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text(
        f"""
model = "echo"
model_provider = "cidermill"
model_context_window = 65536

[model_providers.cidermill]
name = "Cidermill"
base_url = "{door.url}/v1"
env_key = "CIDERMILL_API_KEY"
wire_api = "responses"
"""
    )
    command = [str(node), str(folder / "node_modules" / "@openai" / "codex" / "bin" / "codex.js"), "exec"]
    # Its own sandbox needs rights that containers do not have.
    options = ["--skip-git-repo-check", "--sandbox", "danger-full-access"]
    said = _run([*command, *options, "What does note.txt say?"], tmp_path, CIDERMILL_API_KEY="none")
    assert "number 4711" in said


def _run(command: list[str], folder: Path, **environment: str) -> str:
    """What it printed, in a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "CLAUDE"))}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=folder / "work",
        env=kept | {"HOME": str(folder)} | environment,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
