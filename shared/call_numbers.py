"""Which tool call a piece of a streamed answer belongs to, where its engine does not number calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CallNumbers:
    """The numbers of one answer's calls: an engine's own, else one more for each call that begins.

    Some engines give each call the number 0: then an id that is new there begins another.
    """

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._by_id: dict[str, int] = {}
        #: Ids by number, and numbers by what the engine last meant by its own.
        self._ids: dict[int, str] = {}
        self._meant: dict[int, int] = {}
        self._last = 0

    def of(self, piece: Mapping[str, Any]) -> int:
        """Of the next piece: without a number one with an id or a name of its own begins a call, any other goes on."""
        said, call_id = piece.get("index"), piece.get("id")
        if isinstance(said, int):
            self._last = self._meant.get(said, said)
            if call_id and self._ids.get(self._last, call_id) != call_id:
                self._last = self._meant[said] = self._by_id.get(call_id, self._next())
        elif call_id in self._by_id:
            self._last = self._by_id[call_id]
        elif call_id or (piece.get("function") or {}).get("name") or not self._numbers:
            self._last = self._next()
        self._numbers.add(self._last)
        if call_id:
            self._by_id.setdefault(call_id, self._last)
            self._ids.setdefault(self._last, call_id)
        return self._last

    def _next(self) -> int:
        return max(self._numbers, default=-1) + 1
