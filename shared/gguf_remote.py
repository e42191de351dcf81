"""The header of a GGUF file on a web server, read by HTTP ranges: nothing of its weights is downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from http import HTTPStatus

import httpx2

from shared.errors import DownloadFailed, GatedModel, NotFound, Unavailable
from shared.gguf import HEADER_LIMIT, Header, read_header
from shared.units import KIB, MIB

#: Bytes of the first request: more than the metadata of most models before their vocabulary. Each next one asks for
#: twice as much, so that a header of 16 MiB takes six.
_FIRST, _LARGEST = 512 * KIB, 8 * MIB
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)


def read_remote(url: str, headers: Mapping[str, str], client: httpx2.Client, what: str = "The GGUF file") -> Header:
    """The header of the file at `url`; of a split file that of the part named, the first has the metadata.

    `headers` go to `url` itself and to no other host it redirects to. Raises InvalidInput when it is no whole GGUF
    file, NotFound, GatedModel, Unavailable (try again) or DownloadFailed.
    """
    return read_header(RemoteFile(url, headers, client, what), what)


class RemoteFile:
    """The beginning of a file on a web server, as a stream to read: it grows as far as somebody reads."""

    def __init__(self, url: str, headers: Mapping[str, str], client: httpx2.Client, what: str) -> None:
        self._url, self._headers, self._client, self._what = url, headers, client, what
        self._content = bytearray()
        self._size: int | None = None
        self._position = 0
        self._step = _FIRST

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length()}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = min(self._position + size, self._length()) if size >= 0 else self._length()
        while len(self._content) < end:
            self._grow()
        piece = bytes(self._content[self._position : end])
        self._position += len(piece)
        return piece

    def _length(self) -> int:
        if self._size is None:
            self._grow()
        return self._size or 0

    def _grow(self) -> None:
        """One more request. Raises what the server's refusal means."""
        have = len(self._content)
        if have >= HEADER_LIMIT:
            raise DownloadFailed(f"The header of {self._what} does not end", f"It has more than {have} bytes.", "")
        asked = {**self._headers, "Range": f"bytes={have}-{have + self._step - 1}", "Accept-Encoding": "identity"}
        try:
            with self._client.stream("GET", self._url, headers=asked, follow_redirects=True) as response:
                self._judge(response, have)
                self._take(response, have)
        except httpx2.TransportError as error:
            raise Unavailable(
                f"{self._what} cannot be read", str(error) or type(error).__name__, "check the network and try again"
            ) from error
        self._step = min(2 * self._step, _LARGEST)

    def _judge(self, response: httpx2.Response, have: int) -> None:
        status = response.status_code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise GatedModel(f"{self._what} is not for everybody", f"The server answered {status}.", "set HF_TOKEN")
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise NotFound(f"{self._what} is not there", f"The server answered {status}.", "correct the name")
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"{self._what} cannot be read now", f"The server answered {status}.", "try again later")
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise DownloadFailed(
                f"{self._what} cannot be read", f"The server answered {status}.", "correct the address"
            )
        self._size = _total(response)
        if self._size is None:
            raise DownloadFailed(f"{self._what} has no known size", "The server tells none.", "download it whole")
        if status == HTTPStatus.PARTIAL_CONTENT and _first(response) != have:
            raise DownloadFailed(f"{self._what} cannot be read", "The server sent another part than asked.", "")

    def _take(self, response: httpx2.Response, have: int) -> None:
        """Keep what was asked for; a server that knows no ranges sends all from the start, and is left early."""
        skip = have if response.status_code == HTTPStatus.OK else 0
        wanted = min(have + self._step, self._size or 0)
        for piece in _after(response.iter_raw(), skip):
            self._content += piece
            if len(self._content) >= wanted:
                return
        if len(self._content) < wanted:
            raise Unavailable(f"{self._what} broke off", f"{len(self._content)} of {wanted} bytes came.", "try again")


def _after(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """What comes after the first `skip` bytes."""
    for piece in pieces:
        yield piece[skip:]
        skip = max(0, skip - len(piece))


def _total(response: httpx2.Response) -> int | None:
    """Bytes of the whole file."""
    if response.status_code == HTTPStatus.OK:
        told = response.headers.get("Content-Length", "")
    else:
        told = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(told) if told.isdecimal() else None


def _first(response: httpx2.Response) -> int | None:
    begin = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(begin) if begin.isdecimal() else None
