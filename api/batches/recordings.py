"""Lines of a batch that ask for the text of a recording: a form of OpenAI's audio endpoints, written as JSON.

`{"model": …, "file": "file_…", "language": …, "response_format": …}`: the recording is a file of `/v1/files`, all else
is as in the form. Answers in JSON are objects, others (`text`, `srt`, `vtt`) texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from starlette.datastructures import FormData

from api.gateway.audio.wish import Granularity, Wish, wish_of
from api.gateway.audio.written import written
from api.gateway.exchange import TRANSLATION, Exchange, Said
from api.gateway.model_names import asked_for
from api.gateway.reading import need
from shared.errors import InvalidParameters
from shared.kinds.transcriptions import Transcriptions
from shared.subtitles import Transcript, TranscriptFormat
from shared.vocabulary import Capability

KIND = Transcriptions.name
_JSON = (TranscriptFormat.JSON, TranscriptFormat.VERBOSE_JSON)


def read(body: dict[str, Any], path: str) -> Exchange:
    """What a line asks for; no engine is sent its body as it is. Raises InvalidParameters."""
    file = need(body, "file", str, "it is a recording's id; upload the recording with POST /v1/files")
    if not file.isprintable():
        raise InvalidParameters("file is wrong", "no id looks like that", "give the id of a file", field="file")
    # A batch has nobody to stream to.
    form = FormData(list(_texts({name: value for name, value in body.items() if name != "stream"})))
    wish = wish_of(form, "translate" if path == TRANSLATION else "transcribe")
    return Exchange(
        asked_for(body), Capability.TRANSCRIBE, path, {"file": file, **wish.body()}, whole=partial(_whole, wish)
    )


def work(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """The recordings and the wishes of some lines, as the parameters of a job."""
    return {"files": [body["file"] for body in bodies], "wishes": [_heard_so(body) for body in bodies]}


def _heard_so(body: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: body[name] for name in ("task", "language", "prompt", "temperature") if name in body}
    return plain | {"word_timestamps": Granularity.WORD in body.get("timestamp_granularities[]", ())}


def _whole(wish: Wish, said: dict[str, Any]) -> Said | bytes:
    text = written(Transcript.model_validate(said), wish)
    if wish.form in _JSON:
        told: dict[str, Any] = json.loads(text)
        return told
    return text


def _texts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields as a form would have them: lists are fields that come more than once."""
    for name, value in body.items():
        for each in value if isinstance(value, list) else (value,):
            if each is not None:
                yield name, each if isinstance(each, str) else json.dumps(each)
