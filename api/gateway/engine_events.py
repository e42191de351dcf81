"""An engine's event stream, cut into its events as it comes."""

from __future__ import annotations

_PREFIX = b"data:"
_DONE = b"[DONE]"


class EngineEvents:
    """Takes the bytes of a stream in any pieces and gives the payloads of its events, without comments and `[DONE]`.

    Engines send one `data:` line an event, so a payload is JSON of one chunk.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        payloads = [line[len(_PREFIX) :].strip() for line in lines if line.startswith(_PREFIX)]
        return [payload for payload in payloads if payload and payload != _DONE]

    def flush(self) -> list[bytes]:
        """A last line without its newline."""
        return self.feed(b"\n")
