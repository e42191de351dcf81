"""Reference pages made from the code: one file per page in `pages/`, found by import.

Each offers `page() -> str`, the whole Markdown file; `exit_codes.py` makes `exit-codes.md`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from docs.generator import pages

_NOTE = "<!-- Made from the code by `make docs`; change the code, not this file. -->"


def render() -> dict[str, str]:
    """The text of every page, by file name."""
    names = sorted(module.name for module in pkgutil.iter_modules(pages.__path__))
    return {f"{name.replace('_', '-')}.md": _page(name) for name in names}


def _page(name: str) -> str:
    text: str = import_module(f"{pages.__name__}.{name}").page()
    return f"{_NOTE}\n\n{text.strip()}\n"
