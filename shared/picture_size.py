"""How large a picture is, read from its first bytes.

Source: the formats' specifications; JPEG as stb_image, which llama.cpp reads pictures with, looks for its size.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable
from typing import Literal

#: Parts of a JPEG before the one that tells its size, and bytes between them.
_MOST_STEPS = 4096
#: Parts that tell it, and those that are a mark alone.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MARKS = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})


class UnfitPicture(ValueError):
    """A picture that no engine is shown."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(f"the request shows a picture that cannot be taken: {why}; to fix: {fix}")
        self.why, self.fix = why, fix


def size(url: str) -> tuple[int, int]:
    """Width and height in pixels of the picture in a `data:` URL. Raises UnfitPicture."""
    head, _, written = url.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        raise UnfitPicture("it is not in base64", "send data:image/png;base64,…, or as its type is")
    picture = _Bytes(written)
    try:
        width, height = _reader(picture.at(0, 12))(picture)
    except _Misspelt as error:
        raise UnfitPicture(f"its base64 is wrong: {error}", "send it in base64, without line breaks") from error
    except _Broken as error:
        raise UnfitPicture("its size cannot be read", "send it whole, as a program for pictures wrote it") from error
    if not width or not height:
        raise UnfitPicture("it has no pixels", "send another one")
    return width, height


class _Broken(Exception):
    """It ends too early, or has no size."""


class _Misspelt(Exception):
    """It is not in base64."""


class _Bytes:
    """What is written in base64, read where it is looked at."""

    def __init__(self, written: str) -> None:
        self._written = written

    def at(self, start: int, length: int) -> bytes:
        """Fewer at its end."""
        group, skipped = divmod(start, 3)
        text = self._written[group * 4 : -(-(start + length) // 3) * 4]
        try:
            read = a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
        except ValueError as error:
            raise _Misspelt(str(error)) from error
        return read[skipped : skipped + length]

    def number(self, start: int, length: int, order: Literal["big", "little"]) -> int:
        read = self.at(start, length)
        if len(read) < length:
            raise _Broken
        return int.from_bytes(read, order)


_Reader = Callable[[_Bytes], tuple[int, int]]


def _reader(head: bytes) -> _Reader:
    """By what it begins with. Raises UnfitPicture."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png
    if head.startswith(b"\xff\xd8"):
        return _jpeg
    if head.startswith((b"GIF87a", b"GIF89a")):
        return _gif
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp
    if head.startswith(b"BM"):
        return _bmp
    raise UnfitPicture("it is no PNG, JPEG, GIF, WebP or BMP", "send it as one of these")


def _png(picture: _Bytes) -> tuple[int, int]:
    if picture.at(12, 4) != b"IHDR":
        raise _Broken
    return picture.number(16, 4, "big"), picture.number(20, 4, "big")


def _gif(picture: _Bytes) -> tuple[int, int]:
    return picture.number(6, 2, "little"), picture.number(8, 2, "little")


def _bmp(picture: _Bytes) -> tuple[int, int]:
    """Of one that is written from its top, the height is below zero."""
    if picture.number(14, 4, "little") == 12:
        return picture.number(18, 2, "little"), picture.number(20, 2, "little")
    height = picture.number(22, 4, "little")
    return picture.number(18, 4, "little"), min(height, 2**32 - height)


def _webp(picture: _Bytes) -> tuple[int, int]:
    """Lossy, lossless, or with more than one part, of which the first tells the size of all."""
    match picture.at(12, 4):
        case b"VP8 ":
            return picture.number(26, 2, "little") & 0x3FFF, picture.number(28, 2, "little") & 0x3FFF
        case b"VP8L":
            sizes = picture.number(21, 4, "little")
            return (sizes & 0x3FFF) + 1, (sizes >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return picture.number(24, 3, "little") + 1, picture.number(27, 3, "little") + 1
    raise _Broken


def _jpeg(picture: _Bytes) -> tuple[int, int]:
    """Its parts are as long as they say; small pictures of the picture lie within those before the one that counts."""
    at = 2
    for _ in range(_MOST_STEPS):
        begin, mark = picture.number(at, 1, "big"), picture.number(at + 1, 1, "big")
        if begin != 0xFF or mark == 0xFF:
            at += 1
        elif mark in _FRAMES:
            return picture.number(at + 7, 2, "big"), picture.number(at + 5, 2, "big")
        elif mark in _MARKS:
            at += 2
        else:
            at += 2 + picture.number(at + 2, 2, "big")
    raise _Broken
