"""OpenAI's audio: `POST /v1/audio/transcriptions` and `/v1/audio/translations`.

Source: OpenAI's API reference, "Audio", and the types of its clients.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway.audio.wish import texts_of, upload_of, wish_of
from api.gateway.audio.written import EventWriter, WholeWriter
from api.gateway.exchange import TRANSCRIPTION, TRANSLATION, Exchange
from api.gateway.model_names import asked_for
from api.gateway.openai_carrying import carried
from api.sse import LiveResponse
from shared.errors import BadRequest
from shared.vocabulary import Capability

router = APIRouter(tags=["openai"])
shapes.register(shapes.OPENAI, "/v1/audio/")

#: More than any client sends; files that are not the recording are taken in and ignored.
_MOST_FIELDS, _MOST_FILES = 100, 8


@router.post(TRANSCRIPTION, response_class=Response)
async def transcribe(request: Request, caller: Submitter) -> Response:
    """The text of a recording, on a ready run of `model` or on one that is started for it; `stream` streams it."""
    return await _carried(request, TRANSCRIPTION)


@router.post(TRANSLATION, response_class=Response)
async def translate(request: Request, caller: Submitter) -> Response:
    """What is said in a recording, in English; otherwise as transcriptions."""
    return await _carried(request, TRANSLATION)


def read(form: FormData, path: str) -> Exchange:
    """The request of a form. Raises InvalidParameters."""
    model = asked_for(texts_of(form))
    wish = wish_of(form, "translate" if path == TRANSLATION else "transcribe")
    writer = EventWriter if wish.stream else WholeWriter
    return Exchange(
        model,
        Capability.TRANSCRIBE,
        path,
        wish.body(),
        writer=lambda: writer(wish),
        gathered=not wish.stream,
        upload=upload_of(form),
    )


async def _carried(request: Request, path: str) -> Response:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequest(
            "The request is no form", "a recording comes as a file of one", "send it as multipart/form-data"
        )
    form = await request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS)
    try:
        response = await carried(request, read(form, path))
    except BaseException:
        _close(form)
        raise
    if isinstance(response, LiveResponse):
        # The recording is sent again when a run goes away before it has said anything.
        response.when_closed(lambda: _close(form))
    else:
        _close(form)
    return response


def _close(form: FormData) -> None:
    for _, value in form.multi_items():
        if not isinstance(value, str):
            value.file.close()
