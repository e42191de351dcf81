"""The little Markdown that reference pages are made of."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold any text of one line."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row([_cell(text) for text in row]) for row in rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    """`text` as code; nothing for no text."""
    return f"`{text}`" if text else ""


def sentences(documented: object) -> str:
    """The docstring of a class or module as one paragraph per paragraph."""
    doc = inspect.getdoc(documented) or ""
    return as_json("\n\n".join(" ".join(part.split()) for part in doc.split("\n\n")))


def as_json(text: str) -> str:
    """Python's constants in `text` as JSON writes them."""
    for python, json in (("None", "null"), ("True", "true"), ("False", "false")):
        text = text.replace(code(python), code(json))
    return text


def anchor(heading: str) -> str:
    """What a heading is called in links."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
