"""What a model can do beyond answering: call tools and think, as its chat template tells, and see."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared.errors import InvalidInput
from shared.gguf import read_header
from shared.tables import Install, Model
from shared.vocabulary import Capability, Format

_KEY = "tokenizer.chat_template"
_THINKING = ("<think>", "enable_thinking", "reasoning_content", "<|channel|>")


def template(model: Model, install: Install | None) -> str | None:
    """The chat template, from the model's files on this machine; `None` when they are elsewhere or have none."""
    if install is None:
        return None
    path = Path(install.path)
    with suppress(OSError, ValueError, InvalidInput):
        if model.format == Format.GGUF:
            with path.open("rb") as stream:
                found = read_header(stream, path.name).metadata.get(_KEY)
            return found if isinstance(found, str) else None
        if model.format == Format.SAFETENSORS:
            return _beside(path)
    return None


def capabilities(model: Model, chat_template: str | None) -> list[str]:
    """Ollama's words; without a template to look into, engines are trusted with tools."""
    if Capability.GENERATE not in model.capabilities:
        return ["embedding"] if Capability.EMBED in model.capabilities else []
    can = ["completion"]
    if chat_template is None or "tools" in chat_template:
        can.append("tools")
    if chat_template is not None and any(mark in chat_template for mark in _THINKING):
        can.append("thinking")
    if Capability.VISION in model.capabilities:
        can.append("vision")
    return can


def _beside(folder: Path) -> str | None:
    """A file of its own, or a field of the tokenizer's configuration: one template, or several with names."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text()
    read: Any = json.loads((folder / "tokenizer_config.json").read_text())
    said = read.get("chat_template") if isinstance(read, dict) else None
    if isinstance(said, list):
        named = {one.get("name"): one.get("template") for one in said if isinstance(one, dict)}
        said = named.get("tool_use") or named.get("default")
    return said if isinstance(said, str) else None
