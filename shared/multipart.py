"""A multipart form (RFC 7578) with one file as its last part: what is written before the file and after it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

#: What would end a name early (the WHATWG's "multipart/form-data encoding algorithm").
_ESCAPES = {'"': "%22", "\r": "%0D", "\n": "%0A"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """The bytes around a file's."""

    media_type: str
    head: bytes
    tail: bytes

    def size(self, file: int) -> int:
        """Of the whole form, when the file has so many bytes."""
        return len(self.head) + file + len(self.tail)


def envelope(fields: Iterable[tuple[str, str]], *, filename: str, media_type: str) -> Envelope:
    """A form of `fields`, and of a file as its field `file`."""
    boundary = secrets.token_hex(16)
    line = f"--{boundary}\r\nContent-Disposition: form-data; name="
    texts = "".join(f'{line}"{_name(name)}"\r\n\r\n{value}\r\n' for name, value in fields)
    file = f'{line}"file"; filename="{_name(filename)}"\r\nContent-Type: {_token(media_type)}\r\n\r\n'
    return Envelope(
        f"multipart/form-data; boundary={boundary}",
        (texts + file).encode(errors="replace"),
        f"\r\n--{boundary}--\r\n".encode(),
    )


def _name(text: str) -> str:
    return re.sub(r'["\r\n]', lambda match: _ESCAPES[match[0]], text)


def _token(media_type: str) -> str:
    return media_type if media_type.isprintable() else "application/octet-stream"
