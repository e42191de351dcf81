"""The engine calls the model by its own name; the client hears the name it used."""

from __future__ import annotations

import json
import re


class Names:
    """Puts the client's name where the engine wrote its own."""

    def __init__(self, served: str, asked: str) -> None:
        # Inside a string the quotes would be escaped, so this only ever matches the field itself.
        self._field = re.compile(rb'"model"(\s*):(\s*)' + re.escape(json.dumps(served).encode()))
        self._asked = b'"model"\\1:\\2' + json.dumps(asked).encode().replace(b"\\", b"\\\\")
        self._same = served == asked

    def restore(self, said: bytes) -> bytes:
        return said if self._same else self._field.sub(self._asked, said)
