"""Forms that are read back as they were meant, whatever is in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartParser

from shared.multipart import Envelope, envelope

_texts = st.text(st.characters(codec="utf-8"), max_size=40)


def read(form: Envelope, file: bytes) -> FormData:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for piece in (form.head, file, form.tail):
            yield piece

    return asyncio.run(MultiPartParser(Headers({"Content-Type": form.media_type}), pieces()).parse())


@given(st.lists(_texts, max_size=4), st.binary(max_size=200))
def test_fields_and_file_come_back(values: list[str], file: bytes) -> None:
    form = envelope([("said", value) for value in values], filename="a.wav", media_type="audio/wav")
    found = read(form, file)
    assert found.getlist("said") == values
    upload = found["file"]
    assert isinstance(upload, UploadFile)
    assert (upload.file.read(), upload.filename, upload.content_type) == (file, "a.wav", "audio/wav")
    assert form.size(len(file)) == len(form.head) + len(file) + len(form.tail)
    upload.file.close()


def test_names_cannot_end_their_header() -> None:
    form = envelope([('x"\r\nEvil: 1\r\n\r\n', "v")], filename='"; name="other', media_type="audio/wav\r\nEvil: 1")
    found = read(form, b"x")
    assert set(found) == {"x%22%0D%0AEvil: 1%0D%0A%0D%0A", "file"}
    upload = found["file"]
    assert isinstance(upload, UploadFile)
    assert upload.content_type == "application/octet-stream"
    upload.file.close()
