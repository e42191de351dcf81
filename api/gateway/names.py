"""The engine calls the model by its own name; the client hears the name it used."""

from __future__ import annotations

import json
import re


class Names:
    """Puts the client's name where the engine wrote its own."""

    def __init__(self, served: str, asked: str) -> None:
        # Inside a string the quotes would be escaped, so this only ever matches the field itself.
        before, after = json.dumps(served).encode(), json.dumps(asked).encode()
        self._field = re.compile(rb'"model"(\s*):(\s*)' + re.escape(before))
        self._asked = b'"model"\\1:\\2' + after.replace(b"\\", b"\\\\")
        #: As engines write it; an expression takes five times as long, and this is done for every token.
        self._usual = [(start + before, start + after) for start in (b'"model":', b'"model": ')]
        self._same = served == asked

    def restore(self, said: bytes) -> bytes:
        if self._same:
            return said
        restored = said
        for before, after in self._usual:
            restored = restored.replace(before, after)
        return self._field.sub(self._asked, said) if restored == said else restored
