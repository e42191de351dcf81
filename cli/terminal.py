"""What the terminal can do, and the consoles that respect it."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


#: What terminals obey instead of showing it: codes, and marks that turn the direction of what follows.
_ORDERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text as it may be shown: others chose it, and it must not command the terminal of who reads it."""
    return _ORDERS.sub("\ufffd", text)


def speech(text: str) -> str:
    """What a model or an engine said: as it is in a file or a pipe, harmless on a terminal."""
    return harmless(text) if sys.stdout.isatty() else text


def coloured(stream: IO[Any]) -> bool:
    """May we send colours there? Only to a terminal, and never against NO_COLOR (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def interactive() -> bool:
    """Is a person there to answer?"""
    return sys.stdin.isatty() and sys.stdout.isatty()


@cache
def screen() -> Console:
    """The console of standard error, where progress and remarks go, so that standard output stays clean."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def remark(text: str) -> None:
    """One line for the person at the terminal, on standard error."""
    screen().print(text, markup=False, soft_wrap=True)
