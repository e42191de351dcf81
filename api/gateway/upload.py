"""A file that goes to an engine with a request: as a form, read piece by piece from where the client's bytes lie."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool

from shared.multipart import Envelope, envelope

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client sent as a file; on disk, when it is more than a few pieces."""

    file: BinaryIO
    #: Bytes.
    size: int
    media_type: str


class Form:
    """The request of which an upload is part; its pieces may be read again from the start, for another engine."""

    def __init__(self, fields: Mapping[str, Any], upload: Upload) -> None:
        # The client's name for the file is no engine's business, and could say anything.
        self._envelope: Envelope = envelope(_texts(fields), filename="audio", media_type=upload.media_type)
        self._upload = upload

    @property
    def media_type(self) -> str:
        return self._envelope.media_type

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return self._envelope.size(self._upload.size)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The form, a piece at a time; one reader at once."""
        yield self._envelope.head
        file = self._upload.file
        await run_in_threadpool(file.seek, 0)
        while piece := await run_in_threadpool(file.read, _PIECE):
            yield piece
        yield self._envelope.tail


def _texts(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields as forms have them: lists are fields that come more than once; objects have no form."""
    for name, value in fields.items():
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, bool):
                yield name, "true" if each else "false"
            elif isinstance(each, str | int | float):
                yield name, str(each)
