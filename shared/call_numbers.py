"""Which tool call a piece of a streamed answer belongs to, where its engine does not number calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CallNumbers:
    """The numbers of one answer's calls: an engine's own, else one more for each call that begins."""

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._by_id: dict[str, int] = {}
        self._last = 0

    def of(self, piece: Mapping[str, Any]) -> int:
        """Of the next piece: without a number one with an id or a name of its own begins a call, any other goes on."""
        said, call_id = piece.get("index"), piece.get("id")
        if isinstance(said, int):
            self._last = said
        elif call_id in self._by_id:
            self._last = self._by_id[call_id]
        elif call_id or (piece.get("function") or {}).get("name") or not self._numbers:
            self._last = max(self._numbers, default=-1) + 1
        self._numbers.add(self._last)
        if call_id:
            self._by_id.setdefault(call_id, self._last)
        return self._last
