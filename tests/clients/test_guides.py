"""What the guides tell people to write, run as it stands: only the front door's address is another one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.environments import node_with, python_with
from tests.docs.reading import DOCS, Page
from tests.stack import Stack
from workers.runtimes import discover

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.model,
    pytest.mark.skipif(discover()["llama-cpp"].probe() is None, reason="llama.cpp is not installed"),
]

_SAID = "http://127.0.0.1:8400"
#: What a guide's examples in Python import.
_PACKAGES = {
    "openai-sdk": ("openai",),
    "anthropic-sdk": ("anthropic",),
    "ollama-clients": ("ollama",),
    "langchain": ("langchain-openai", "langchain-anthropic", "langchain-ollama"),
    "litellm": ("litellm",),
    "other-clients": ("instructor", "pydantic-ai-slim[openai]"),
}
_NODE = {"openai-sdk": "openai", "ollama-clients": "ollama"}
#: Commands that need the hub, another machine or an id, or that delete.
_ELSEWHERE = (
    "Qwen/",
    "ggml-org/",
    "models search",
    "smollm2:135m",
    "mini-",
    "studio",
    "JOB_ID",
    "FILE_ID",
    " ID",
    "--yes",
)


@pytest.fixture(scope="module", autouse=True)
def names(stack: Stack) -> Iterator[None]:
    """The models of the guides, with short answers."""
    for name, model in (("qwen-0.5b", "smollm2"), ("bge-small", "echo")):
        stack.http.put(f"/v1/models/aliases/{name}", json={"model": model, "parameters": {"max_tokens": 32}})
    yield
    for name in ("qwen-0.5b", "bge-small"):
        stack.http.delete(f"/v1/models/aliases/{name}")


@pytest.mark.parametrize("guide", _PACKAGES)
def test_examples_in_python_answer(stack: Stack, guide: str, tmp_path: Path) -> None:
    python = python_with(*_PACKAGES[guide])
    # Side by side: they import for longer than they ask.
    with ThreadPoolExecutor() as pool:
        blocks = _blocks(stack, guide, "python")
        assert all(pool.map(lambda block: _output([str(python), "-c", block], tmp_path), blocks))


def test_llm_answers_by_its_own_file_of_models(stack: Stack, tmp_path: Path) -> None:
    llm = python_with("llm").parent / "llm"
    (models,) = _blocks(stack, "other-clients", "yaml")
    (tmp_path / "extra-openai-models.yaml").write_text(models)
    assert _output([str(llm), "-m", "qwen", "Why is the sky blue?"], tmp_path, LLM_USER_PATH=str(tmp_path))


@pytest.mark.parametrize("guide", _NODE)
def test_examples_in_javascript_answer(stack: Stack, guide: str) -> None:
    node, folder = node_with(_NODE[guide])
    for block in _blocks(stack, guide, "js"):
        # Node looks for packages beside the script, wherever it was started.
        (folder / "example.mjs").write_text(block)
        assert _output([str(node), "example.mjs"], folder)


@pytest.mark.skipif(discover()["whisper"].probe() is None, reason="faster-whisper is not installed")
def test_the_guide_to_transcription_is_heard(stack: Stack, recording: Path, tmp_path: Path) -> None:
    stack.http.put("/v1/models/aliases/whisper-small", json={"model": "whisper"})
    (tmp_path / "talk.m4a").write_bytes(recording.read_bytes())
    (block,) = _blocks(stack, "transcription", "python")
    (tmp_path / "example.py").write_text(block)
    assert _output([str(python_with("openai")), "example.py"], tmp_path).count("best of times") == 2
    (curl,) = [block for block in _blocks(stack, "transcription", "bash") if "/v1/audio/" in block]
    assert _output(["bash", "-euo", "pipefail", "-c", curl], tmp_path).startswith("1\n00:00:0")


@pytest.mark.parametrize("guide", ["chat-clients", "batch-inference", "placement", "models"])
def test_commands_of_a_guide_end_well(stack: Stack, guide: str, tmp_path: Path) -> None:
    request = '{"custom_id": "river-1", "messages": [{"role": "user", "content": "Name three rivers."}]}\n'
    for name in ("requests.jsonl", "night.jsonl"):
        (tmp_path / name).write_text(request)
    done = 0
    for block in _blocks(stack, guide, "bash"):
        lines = block.replace("\\\n", " ").splitlines()
        kept = [line for line in lines if not any(word in line for word in _ELSEWHERE)]
        _output(["bash", "-euo", "pipefail", "-c", "\n".join(kept)], tmp_path, CIDERMILL_URL=stack.url)
        done += len(kept)
    assert done


def _blocks(stack: Stack, guide: str, language: str) -> list[str]:
    blocks = Page(DOCS / "guides" / f"{guide}.md").blocks(language)
    assert blocks
    return [block.replace(_SAID, stack.url) for block in blocks]


def _output(command: list[str], folder: Path, **environment: str) -> str:
    """What it printed; fails the test with everything it said when it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    environment = kept | {"PATH": path, "LITELLM_LOCAL_MODEL_COST_MAP": "True"} | environment
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
