"""Reading little-endian headers of files that nobody vouches for."""

from __future__ import annotations

import os
import struct
from typing import Any, Protocol

from shared.errors import InvalidInput


class Stream(Protocol):
    """What a header is read from: a file, or something that behaves like one."""

    def seek(self, offset: int, whence: int = ..., /) -> int: ...

    def read(self, size: int = ..., /) -> bytes: ...


class Reader:
    """Numbers and strings from a seekable stream, never beyond its end nor past `limit` bytes.

    Every failure is InvalidInput, so a hostile header costs neither memory nor time.
    """

    def __init__(self, stream: Stream, what: str, limit: int) -> None:
        self.what = what
        self.size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        self._stream = stream
        self._limit = limit
        self.position = 0

    def number(self, code: str) -> Any:
        """One value of a `struct` code, without its byte order."""
        layout = struct.Struct("<" + code)
        return layout.unpack(self.raw(layout.size))[0]

    def raw(self, count: int) -> bytes:
        self._advance(count, header=True)
        return self._stream.read(count)

    def text(self, count: int, longest: int) -> str:
        """`count` bytes of UTF-8; what is not UTF-8 is replaced."""
        if count > longest:
            raise self.broken(f"a string of {count} bytes at {self.position}")
        return self.raw(count).decode("utf-8", "replace")

    def skip(self, count: int) -> None:
        """Step over header bytes without reading them."""
        self._advance(count, header=True)
        self._stream.seek(count, os.SEEK_CUR)

    def skip_data(self, count: int) -> None:
        """Step over bytes that do not count against the limit."""
        self._advance(count, header=False)
        self._stream.seek(count, os.SEEK_CUR)

    def broken(self, why: str) -> InvalidInput:
        return InvalidInput(
            f"{self.what} is not readable",
            f"Its header is damaged: {why}.",
            "download or copy the file again, and compare its checksum with the publisher's",
        )

    def _advance(self, count: int, *, header: bool) -> None:
        if self.position + count > self.size:
            raise self.broken(f"it ends at {self.size} bytes, {count} more were promised at {self.position}")
        if header:
            self._limit -= count
            if self._limit < 0:
                raise self.broken("it is far larger than any real one")
        self.position += count
