"""The page of fields names every field that clients can send."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import python_with

_SCRIPT = Path(__file__).parent / "scripts" / "fields.py"
_PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "fields.md"


@pytest.mark.e2e
@pytest.mark.parametrize("client", ["openai", "anthropic", "ollama"])
def test_what_becomes_of_every_field_is_told(client: str) -> None:
    python = python_with(client)
    done = subprocess.run([str(python), str(_SCRIPT), client], capture_output=True, text=True, check=True, timeout=100)
    for title, fields in json.loads(done.stdout).items():
        assert not set(fields) - _named(title), f"under {title} the page does not say what becomes of these"


def _named(title: str) -> set[str]:
    """The words in backticks of a section, in the first cells of its tables."""
    level, text = re.split(rf"^(#+) {title}$", _PAGE.read_text(), maxsplit=1, flags=re.MULTILINE)[1:]
    section = re.split(rf"^#{{1,{len(level)}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
