"""An engine's event stream, cut into its events as it comes."""

from __future__ import annotations

import re

_DATA, _ERROR = b"data:", b"error:"
_DONE = b"[DONE]"
#: Of a chunk whose choices all go on, as llama.cpp writes it, and of one that tells why a choice ended. In a text the
#: quotes would have backslashes.
_GOES_ON, _REASON = b'"finish_reason":null', re.compile(rb'"finish_reason"\s*:\s*[^\sn]')


class EngineEvents:
    """Takes the bytes of a stream in any pieces and gives the payloads of its events, without comments and `[DONE]`.

    Engines send one `data:` line an event, so a payload is JSON of one chunk; a line that does not end is none. Errors
    in a line of their own, `error:`, as older llama.cpp writes them, are chunks with an `error` like all others.
    """

    def __init__(self) -> None:
        self._rest = b""
        #: The engine has told why an answer ended, or that it has said all.
        self.ended = False

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        payloads = [_payload(line) for line in lines if line.startswith((_DATA, _ERROR))]
        self.ended = self.ended or any(map(_ends, payloads))
        return [payload for payload in payloads if payload and payload != _DONE]


def _payload(line: bytes) -> bytes:
    payload = line[line.index(b":") + 1 :].strip()
    bare = line.startswith(_ERROR) and b'"error"' not in payload
    return b'{"error":' + payload + b"}" if bare else payload


def _ends(payload: bytes) -> bool:
    return payload == _DONE or (_GOES_ON not in payload and _REASON.search(payload) is not None)
