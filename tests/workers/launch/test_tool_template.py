"""Templates that know no tools, made to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.models import smollm2
from workers.launch.tool_template import tool_template, with_tools

_PLAIN = "{% for message in messages %}[{{ message.role }}|{{ message.content }}]{% endfor %}"
_TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
_ASK = {"role": "user", "content": "well?"}


def call(name: str, arguments: object) -> dict[str, Any]:
    return {"id": name, "type": "function", "function": {"name": name, "arguments": arguments}}


def rendered(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> str:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = json.dumps
    return environment.from_string(with_tools(_PLAIN)).render(messages=messages, tools=tools).strip()


def test_a_chat_without_tools_is_what_it_was() -> None:
    messages = [{"role": "system", "content": "brief"}, _ASK, {"role": "assistant", "content": "yes"}]
    assert rendered(messages) == "[system|brief][user|well?][assistant|yes]"


def test_tools_are_described_once_ahead_of_the_first_question() -> None:
    said = rendered([{"role": "system", "content": "brief"}, _ASK, {"role": "assistant", "content": "a"}, _ASK], _TOOLS)
    assert said.startswith("[system|brief][user|You may call")
    assert said.count(json.dumps(_TOOLS[0])) == 1
    assert said.endswith("\n</tool_call>\n\nwell?][assistant|a][user|well?]")


def test_pictures_stay_beside_the_description() -> None:
    assert "'type': 'image'" in rendered([{"role": "user", "content": [{"type": "image"}]}], _TOOLS)


@pytest.mark.parametrize("arguments", ['{"at": 1}', {"at": 1}])
def test_calls_and_their_results_become_texts(arguments: object) -> None:
    called = {"role": "assistant", "content": None, "tool_calls": [call("look", arguments), call("go", arguments)]}
    results = [{"role": "tool", "content": "seen"}, {"role": "tool", "content": "gone"}]
    texts = "<tool_response>\nseen\n</tool_response>\n<tool_response>\ngone\n</tool_response>\n"
    said = (
        '[assistant|<tool_call>\n{"name": "look", "arguments": {"at": 1}}\n</tool_call>\n'
        '<tool_call>\n{"name": "go", "arguments": {"at": 1}}\n</tool_call>]'
    )
    assert rendered([_ASK, called, *results]) == f"[user|well?]{said}[user|{texts}]"
    # Many templates refuse two messages of a user in a row.
    assert rendered([_ASK, called, *results, _ASK]) == f"[user|well?]{said}[user|{texts}well?]"


@pytest.mark.model
def test_a_file_whose_template_knows_no_tools_gets_them() -> None:
    found = tool_template(Path(smollm2().path))
    assert found is not None
    assert found.endswith("<|im_start|>assistant\n' }}{% endif %}")
