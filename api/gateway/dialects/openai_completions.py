"""OpenAI's older text completions: `POST /v1/completions`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway import old_logprobs
from api.gateway.choice_stream import ChoiceStream, asked_stream, without_null_fingerprint
from api.gateway.exchange import Exchange
from api.gateway.model_names import asked_for
from api.gateway.old_echo import NONE, Echo, echo_of
from api.gateway.openai_carrying import carried
from api.gateway.pieces import reason_of
from api.gateway.reading import read_object, want
from api.gateway.well_formed import check_sampling, limited, stopped
from shared.errors import InvalidParameters
from shared.requests import COMPLETION
from shared.vocabulary import Capability

router = APIRouter(tags=["openai"])
shapes.register(shapes.OPENAI, COMPLETION)

#: Why an answer ended of which the engine does not say it.
_NATURAL = "stop"


@router.post(COMPLETION, response_class=Response)
async def complete(request: Request, caller: Submitter) -> Response:
    """Go on with a text, on a ready run of `model` or on one that is started for it; `stream` streams."""
    return await carried(request, read(await read_object(request)))


def read(asked: dict[str, Any]) -> Exchange:
    """The request; what is not named here is the engine's to judge. Raises InvalidParameters."""
    model = asked_for(asked)
    if not isinstance(asked.get("prompt"), str | list):
        raise InvalidParameters("prompt is missing", "it is what to go on with", "give a text", field="prompt")
    if asked["prompt"] == []:
        raise InvalidParameters(
            "prompt is an empty list", "there is nothing to go on with", "give a text", field="prompt"
        )
    check_sampling(asked)
    choices = want(asked, "n", int) or 1
    _check_possible(asked, choices)
    echo = echo_of(asked)
    body = limited(stopped(asked))
    stream, usage = asked_stream(body)
    for ours in ("model", "echo", "best_of"):
        body.pop(ours, None)
    if alone := asked.get("logprobs") == 0 and asked["logprobs"] is not False:
        # llama.cpp tells nothing of tokens that it compares with none.
        body["logprobs"] = 1
    writer = (lambda: TextWriter(usage, choices, echo, alone=alone)) if stream else None
    whole = partial(_whole, echo=echo, alone=alone)
    return Exchange(model, Capability.GENERATE, COMPLETION, body, whole, writer)


def _check_possible(asked: Mapping[str, Any], choices: int) -> None:
    """What would change the answer and no engine here does is better refused than left out in silence."""
    if asked.get("suffix"):
        raise InvalidParameters(
            "suffix is not possible here", "engines here write on, and do not fill in",
            "leave it out, and put all into prompt", field="suffix",
        )  # fmt: skip
    if (want(asked, "best_of", int) or 1) > choices:
        raise InvalidParameters(
            "best_of is not possible here", "engines here write no answers to throw away",
            "leave it out, and choose among n answers", field="best_of",
        )  # fmt: skip


def _whole(said: dict[str, Any], echo: Echo, *, alone: bool) -> dict[str, Any]:
    whole = _complete(without_null_fingerprint(said), echo, alone=alone)
    for choice in whole.get("choices") or ():
        choice["finish_reason"] = choice["finish_reason"] or _NATURAL
    return whole


def _complete(
    said: dict[str, Any], echo: Echo, before: Mapping[int, int] = MappingProxyType({}), *, alone: bool = False
) -> dict[str, Any]:
    """Engines differ in what they leave out; strict clients want it there.

    `before`: characters that each choice has said already. `alone`: tokens are compared with no others.
    """
    said["object"] = "text_completion"
    if "id" in said:
        # llama.cpp names all answers after chats.
        said["id"] = f"cmpl-{str(said['id']).removeprefix('chatcmpl-').removeprefix('cmpl-')}"
    for index, choice in enumerate(said.get("choices") or ()):
        choice.setdefault("index", index)
        begun = choice["index"] in before
        choice["text"] = ("" if begun else echo.before(choice["index"])) + (choice.get("text") or "")
        choice.setdefault("logprobs", None)
        reason = choice.get("finish_reason")
        choice["finish_reason"] = reason_of(reason) if reason else None
        if "content" in (choice["logprobs"] or ()):
            choice["logprobs"] = old_logprobs.written(choice["logprobs"], before.get(choice["index"], 0), alone=alone)
    return said


class TextWriter(ChoiceStream):
    """Chunks with all their fields."""

    def __init__(self, usage: bool, choices: int = 1, echo: Echo = NONE, *, alone: bool = False) -> None:
        super().__init__(usage, choices)
        self._alone = alone
        self._echo = echo
        #: Characters that each choice has said so far.
        self._said: dict[int, int] = {}

    def _mended(self, chunk: dict[str, Any]) -> dict[str, Any]:
        mended = _complete(chunk, self._echo, self._said, alone=self._alone)
        for choice in mended.get("choices") or ():
            self._said[choice["index"]] = self._said.get(choice["index"], 0) + len(choice["text"])
        return mended
