"""What a model can do, as its chat template tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.gateway.ollama import abilities
from shared.tables import Install, Model
from shared.vocabulary import Capability, Format
from tests.models import smollm2


def model(kind: Format = Format.SAFETENSORS, *can: Capability) -> Model:
    return Model(id="m", name="m", format=kind, capabilities=[str(word) for word in can or (Capability.GENERATE,)])


@pytest.mark.parametrize(
    ("template", "can"),
    [
        (None, ["completion", "tools"]),
        ("{{ messages }}", ["completion"]),
        ("{% if tools %}", ["completion", "tools"]),
        ("{% if enable_thinking %}<think>", ["completion", "thinking"]),
    ],
)
def test_a_template_tells_of_tools_and_thoughts(template: str | None, can: list[str]) -> None:
    assert abilities.capabilities(model(), template) == can


def test_a_model_with_a_projector_sees() -> None:
    seeing = model(Format.GGUF, Capability.GENERATE, Capability.VISION)
    assert abilities.capabilities(seeing, "{{ messages }}") == ["completion", "vision"]


def test_a_model_that_only_embeds_completes_nothing() -> None:
    assert abilities.capabilities(model(Format.GGUF, Capability.EMBED), None) == ["embedding"]


@pytest.mark.parametrize(
    "said", ["a tools b", [{"name": "default", "template": "x"}, {"name": "tool_use", "template": "a tools b"}]]
)
def test_the_template_is_read_from_the_tokenizers_configuration(tmp_path: Path, said: object) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": said}))
    assert abilities.template(model(), Install(path=str(tmp_path))) == "a tools b"
    (tmp_path / "chat_template.jinja").write_text("its own")
    assert abilities.template(model(), Install(path=str(tmp_path))) == "its own"


def test_the_template_is_read_from_a_gguf_header() -> None:
    found = abilities.template(model(Format.GGUF), Install(path=str(smollm2().path)))
    assert found is not None
    assert "<|im_start|>" in found


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_files_that_are_broken_or_elsewhere_tell_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(text)
    for path in (tmp_path, tmp_path / "nowhere"):
        assert abilities.template(model(), Install(path=str(path))) is None
    assert abilities.template(model(), None) is None
