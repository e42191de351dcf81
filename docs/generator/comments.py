"""What `#:` comments say above the fields of a class."""

from __future__ import annotations

import inspect
import re

from docs.generator.markdown import as_json

_FIELD = re.compile(r"\s+(\w+):")
_SAYS = re.compile(r"\s+#: ?(.*)")


def field_comments(kind: type) -> dict[str, str]:
    """The comment of each field that has one, inherited fields included."""
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.split(".")[0] in {"shared", "api", "workers"}:
            said |= _own(base)
    return said


def _own(kind: type) -> dict[str, str]:
    said: dict[str, str] = {}
    held: list[str] = []
    for line in inspect.getsource(kind).splitlines():
        if comment := _SAYS.fullmatch(line):
            held.append(comment[1])
            continue
        if held and (field := _FIELD.match(line)):
            said[field[1]] = as_json(" ".join(held))
        held = []
    return said
