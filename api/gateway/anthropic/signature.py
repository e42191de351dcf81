"""The signature of a thought: clients send a thought back only when it has one.

Anthropic's proves that a model of theirs thought it; here nobody checks it, and it is the thought's checksum.
"""

from __future__ import annotations

import base64
import hashlib


class Signature:
    """Of a thought that comes in pieces."""

    def __init__(self, thought: str = "") -> None:
        self._sum = hashlib.sha256(thought.encode(errors="replace"))

    def add(self, piece: str) -> None:
        self._sum.update(piece.encode(errors="replace"))

    def __str__(self) -> str:
        """In base64, as clients expect it."""
        return base64.b64encode(self._sum.digest()).decode()
