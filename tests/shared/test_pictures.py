"""Sizes of pictures: what their first bytes say, and what is refused."""

from __future__ import annotations

import base64
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.picture_size import UnfitPicture, size
from shared.pictures import MOST_PIXELS, check_pictures, pictures
from shared.requests import read_request
from tests.handmade import png

# Pictures of 5 x 3 pixels as Pillow writes them, in base64; the first two without what follows their sizes.
_JPEG = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8yb"
    "qmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAD"
    "AAUDASIAAhEBAxEB/8Q="
)
_PROGRESSIVE = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8yb"
    "qmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wgARCAAD"
    "AAUDASIAAhEBAxEB/8Q="
)
_GIF = "R0lGODdhBQADAIEAAMgeKAAA/wAAAAAAACwAAAAABQADAAAICwABCBwIIADBgQEBADs="
_WEBP = (
    "UklGRkoAAABXRUJQVlA4ID4AAACQAQCdASoFAAMAAUAmJbACdLoAA5gA/vFP2B3WMhQ3/Dm+7lDN/Bl5pHOLZ3f/dnNMKM3Z/94z/+4z/5EAAA=="
)
_LOSSLESS = "UklGRiYAAABXRUJQVlA4TBoAAAAvBIAAAA8wHoP8lP/5Dx4QZNuGQLb9Ef2Pcw=="
_EXTENDED = "UklGRkIAAABXRUJQVlA4WAoAAAAEAAAABAAAAgAAVlA4TBoAAAAvBIAAAA8wHoP8lP/5Dx4QZNuGQLb9Ef2Pc1hNUCABAAAAeAA="
_BMP = (
    "Qk1mAAAAAAAAADYAAAAoAAAABQAAAAMAAAABABgAAAAAADAAAADEDgAAxA4AAAAAAAAAAAAAKB7IKB7IKB7IKB7IKB7IACgeyCgeyP8AACgeyC"
    "geyAAoHsgoHsgoHsgoHsgoHsgA"
)


def url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def chat(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": part} for part in parts]}]}


def frame(width: int, height: int, mark: int = 0xC0) -> bytes:
    return struct.pack(">BBHBHHB", 0xFF, mark, 11, 8, height, width, 1) + b"\1\x11\0"


def segment(mark: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, mark, 2 + len(content)) + content


_ALL = {
    "png": png(5, 3), **{
        name: base64.b64decode(written) for name, written in {
            "jpeg": _JPEG, "progressive": _PROGRESSIVE, "gif": _GIF, "webp": _WEBP, "lossless": _LOSSLESS,
            "extended": _EXTENDED, "bmp": _BMP,
        }.items()
    },
    "bmp from its top": b"BM" + bytes(12) + struct.pack("<Iii", 40, 5, -3),
    "old bmp": b"BM" + bytes(12) + struct.pack("<IHH", 12, 5, 3),
    "a picture in a picture": b"\xff\xd8" + segment(0xE1, b"Exif" + frame(9, 9)) + frame(5, 3),
    "long segments": b"\xff\xd8" + segment(0xE2, bytes(65533)) * 40 + frame(5, 3, 0xC2),
    "bytes that fill": b"\xff\xd8\0\xff\xff" + segment(0xDB, b"x") + b"\xff" + frame(5, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", _ALL)
def test_the_first_bytes_tell_the_size(name: str) -> None:
    assert size(url(_ALL[name])) == (5, 3)


def test_what_ends_without_the_letters_that_fill_is_read() -> None:
    assert size(url(_ALL["png"]).rstrip("=")) == (5, 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (url(b"hello"), "no PNG, JPEG, GIF, WebP or BMP"),
        (url(b"8BPS\0\1" + bytes(30)), "no PNG, JPEG, GIF, WebP or BMP"),
        (url(b"#?RADIANCE\n\n-Y 30000 +X 30000\n"), "no PNG, JPEG, GIF, WebP or BMP"),
        (url(bytes([0, 0, 2] + [0] * 9) + struct.pack("<HHBB", 60000, 60000, 24, 0)), "no PNG, JPEG"),
        (url(b""), "no PNG, JPEG, GIF, WebP or BMP"),
        ("data:image/png;base64,!!!!", "base64 is wrong"),
        ("data:image/png;base64,iVBO\nRw0K", "base64 is wrong"),
        ("data:image/png;base64,\u00e9\u00e9\u00e9\u00e9", "base64 is wrong"),
        ("data:image/png,x", "not in base64"),
        ("data:", "not in base64"),
        ("iVBORw0KGgo=", "not in base64"),
        (url(png()[:20]), "size cannot be read"),
        (url(png(0, 3)), "no pixels"),
        (url(b"RIFF\0\0\0\0WEBPVP9 " + bytes(30)), "size cannot be read"),
        (url(b"\xff\xd8" + segment(0xE0, b"")), "size cannot be read"),
        (url(b"\xff\xd8" + segment(0xE0, b"") * 5000 + frame(5, 3)), "size cannot be read"),
        (None, "no url"),
        ({"detail": "low"}, "no url"),
        (url(png()[:16] + struct.pack(">II", 12_000, 12_000)), "12,000 x 12,000 pixels"),
        ({"url": url(b"\xff\xd8" + frame(60_000, 60_000))}, "60,000 x 60,000 pixels"),
    ],
)
def test_what_cannot_be_measured_or_is_too_large_is_refused(given: Any, said: str) -> None:
    part = given if isinstance(given, dict) else {"url": given}
    with pytest.raises(UnfitPicture, match=said):
        check_pictures(chat({"url": url(_ALL["png"])}, part)["messages"])


def test_a_job_is_refused_it_too() -> None:
    large = {"url": url(png()[:16] + struct.pack(">II", 12_000, 12_000))}
    with pytest.raises(ValueError, match=r"12,000 x 12,000 pixels.*make it smaller"):
        read_request(chat(large))
    small = url(_ALL["png"])
    assert read_request(chat(small, {"url": small})).body == chat({"url": small}, {"url": small})


def test_the_limit_itself_is_let_in_and_no_more_than_two_such_together() -> None:
    largest = {"url": url(png()[:16] + struct.pack(">II", 1, MOST_PIXELS))}
    check_pictures(chat(largest, largest)["messages"])
    with pytest.raises(UnfitPicture, match=r"with the others it has 108,000,000 pixels.*fewer at once"):
        check_pictures(chat(largest, largest, largest)["messages"])


@given(st.sampled_from(sorted(_ALL)), st.integers(0, 400), st.binary(max_size=40))
def test_cuts_and_rubbish_are_refused_or_read(name: str, end: int, rest: bytes) -> None:
    with suppress(UnfitPicture):
        size(url(_ALL[name][:end] + rest))


@given(st.text())
def test_whatever_is_written_is_refused_or_read(written: str) -> None:
    for said in (written, f"data:image/png;base64,{written}"):
        with suppress(UnfitPicture):
            size(said)


@pytest.mark.parametrize("messages", [None, "x", ["x"], [{"content": "x"}], [{"content": ["x", {"type": "text"}]}]])
def test_what_is_no_chat_shows_none(messages: Any) -> None:
    assert not list(pictures(messages))
