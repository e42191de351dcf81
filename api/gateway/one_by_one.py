"""Pieces of calls that come at the same time, one call after the other: streams tell each thing to its end first."""

from __future__ import annotations

import json

from api.gateway.pieces import Call, Text, Thought

Spoken = Text | Thought | Call


class OneByOne:
    """What comes before an open call is whole waits for it."""

    def __init__(self) -> None:
        #: The call that is being told, with all that was said of it.
        self._open: Call | None = None
        self._waiting: list[Spoken] = []

    def feed(self, piece: Spoken) -> list[Spoken]:
        """What is told now."""
        told: list[Spoken] = []
        if isinstance(piece, Call) and self._open is not None and piece.index == self._open.index:
            self._open = self._open.grown(piece)
            told.append(piece)
        else:
            self._wait(piece)
        while self._waiting and (self._open is None or _whole(self._open.arguments)):
            begun = self._waiting.pop(0)
            self._open = begun if isinstance(begun, Call) else None
            told.append(begun)
        return told

    def end(self) -> list[Spoken]:
        """What waited for a call that never was whole."""
        told, self._waiting, self._open = self._waiting, [], None
        return told

    def _wait(self, piece: Spoken) -> None:
        if not isinstance(piece, Call):
            self._waiting.append(piece)
            return
        for place, waiting in enumerate(self._waiting):
            if isinstance(waiting, Call) and waiting.index == piece.index:
                self._waiting[place] = waiting.grown(piece)
                return
        # Else it is the last spaces of a call that was told.
        if piece.id or piece.name or piece.arguments.strip():
            self._waiting.append(piece)


def _whole(arguments: str) -> bool:
    """Whether nothing more can come of them."""
    if not arguments.rstrip().endswith("}"):
        return False
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True
