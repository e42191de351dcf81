"""What a form of OpenAI's audio endpoints asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from starlette.datastructures import FormData, UploadFile

from api.gateway.upload import Upload
from shared.errors import InvalidParameters
from shared.nearest import did_you_mean
from shared.spoken import code_of
from shared.subtitles import TranscriptFormat

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)
_BINARY = "application/octet-stream"
_YES, _NO = ("true", "1"), ("false", "0")


class Granularity(StrEnum):
    """What times are told of."""

    WORD = "word"
    SEGMENT = "segment"


@dataclass(frozen=True, slots=True)
class Wish:
    """How the transcript is to look, and what the engine is told."""

    task: str
    form: TranscriptFormat
    stream: bool
    #: Of `verbose_json`; words cost the engine time.
    granularities: frozenset[Granularity]
    language: str | None
    prompt: str | None
    temperature: float | None

    def body(self) -> dict[str, Any]:
        """The engine's form, but for the file; it is always asked to tell each segment when it has heard it."""
        wanted = {"language": self.language, "prompt": self.prompt, "temperature": self.temperature}
        words = {"timestamp_granularities[]": [Granularity.WORD]} if Granularity.WORD in self.granularities else {}
        return {"task": self.task} | {name: value for name, value in wanted.items() if value is not None} | words


def wish_of(form: FormData, task: str) -> Wish:
    """Fields that are not known are ignored. Raises InvalidParameters that names the wrong one."""
    shape = _field(form, "response_format", _one_of(TranscriptFormat)) or TranscriptFormat.JSON
    said = [each for name in _TIMES for each in form.getlist(name) if isinstance(each, str) and each]
    asked = frozenset(_checked("timestamp_granularities", each, _one_of(Granularity)) for each in said)
    verbose = shape is TranscriptFormat.VERBOSE_JSON
    return Wish(
        task=task,
        form=shape,
        stream=_field(form, "stream", _boolean) or False,
        granularities=(asked or frozenset({Granularity.SEGMENT})) if verbose else frozenset(),
        language=_field(form, "language", code_of),
        prompt=_field(form, "prompt", str),
        temperature=_field(form, "temperature", _warmth),
    )


#: PHP's and OpenAI's own clients write lists with brackets, others without.
_TIMES = ("timestamp_granularities[]", "timestamp_granularities")


def upload_of(form: FormData) -> Upload:
    """The recording. Raises InvalidParameters when there is none."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        why = "it is the recording" if file is None else "it is a text, and no file of the form"
        raise InvalidParameters(
            "file is missing", why, "send a multipart form with the recording as its file", field="file"
        )
    if not file.size:
        raise InvalidParameters("file is empty", "a recording has at least one sound", "send a recording", field="file")
    return Upload(file.file, file.size, file.content_type or _BINARY)


def texts_of(form: FormData) -> dict[str, str]:
    """The fields that are no files."""
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _field(form: FormData, name: str, convert: Callable[[str], T]) -> T | None:
    value = form.get(name)
    return _checked(name, value, convert) if isinstance(value, str) and value.strip() else None


def _checked(name: str, value: str, convert: Callable[[str], T]) -> T:
    try:
        return convert(value)
    except ValueError as error:
        raise InvalidParameters(
            f"{name} is wrong", str(error), f"correct {name}, or leave it out", field=name
        ) from error


def _one_of(words: type[Word]) -> Callable[[str], Word]:
    known = [str(word) for word in words]

    def convert(value: str) -> Word:
        if value not in known:
            raise ValueError(f"{value!r} is not known; {did_you_mean(value, known)}")
        return words(value)

    return convert


def _boolean(value: str) -> bool:
    if value.lower() not in _YES + _NO:
        raise ValueError(f"it is {value!r}, neither true nor false")
    return value.lower() in _YES


def _warmth(value: str) -> float:
    warmth = float(value)
    if not 0 <= warmth <= 1:
        raise ValueError(f"it is {value}, and goes from 0 to 1")
    return warmth
