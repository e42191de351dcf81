"""How likely each token of an answer was, for who includes `message.output_text.logprobs`.

Source: OpenAI's API reference, "Create a model response", `include` and `top_logprobs`, and the types of its clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.gateway.likelihood import others_of
from api.gateway.reading import want
from shared.errors import InvalidParameters

Token = dict[str, Any]

_LIKELY = "message.output_text.logprobs"
#: What else may be included: thoughts are told as they are, and of tools that OpenAI runs there is nothing to tell.
_NOTHING_MORE = (
    "reasoning.encrypted_content", "message.input_image.image_url", "file_search_call.results",
    "web_search_call.results", "web_search_call.action.sources", "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
)  # fmt: skip


def wish(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the engine's request. Raises InvalidParameters."""
    others, wanted = others_of(asked), want(asked, "include", list) or []
    for value in wanted:
        if value != _LIKELY and value not in _NOTHING_MORE:
            known = ", ".join((_LIKELY, *_NOTHING_MORE))
            raise InvalidParameters(
                "include is wrong", f"{value!r} is nothing to include", f"give {known}", field="include"
            )
    return {"logprobs": True, "top_logprobs": others} if _LIKELY in wanted else {}


class Likely:
    """Tokens that the engine has told and no part of the answer has taken yet; none where nobody asked."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._wanted = _LIKELY in (asked.get("include") or ())
        self._others = others_of(asked)
        self._waiting: list[Token] = []

    def hear(self, said: Mapping[str, Any]) -> None:
        """Of an engine's chunk or whole answer."""
        for choice in (said.get("choices") or ())[:1] if self._wanted else ():
            for token in (choice.get("logprobs") or {}).get("content") or ():
                others = [_told(other) for other in (token.get("top_logprobs") or ())[: self._others]]
                self._waiting.append(_told(token) | {"top_logprobs": others})

    def take(self) -> list[Token]:
        """Those that came since the last time."""
        taken, self._waiting = self._waiting, []
        return taken

    def take_of(self, text: str) -> list[Token]:
        """Those of all that are the answer's text, whatever the model thought before it."""
        return of_text(self.take(), text)


def of_text(tokens: Sequence[Token], text: str) -> list[Token]:
    """The last tokens that say the text; all of them where it is not what they say."""
    whole = "".join(token["token"] for token in tokens)
    begin, found = whole.rfind(text), []
    if begin < 0:
        return list(tokens)
    place = 0
    for token in tokens:
        end = place + len(token["token"])
        if place < begin + len(text) and end > begin:
            found.append(token)
        place = end
    return found


def _told(token: Mapping[str, Any]) -> Token:
    text = str(token.get("token", ""))
    spelled = token.get("bytes") or list(text.encode(errors="replace"))
    return {"token": text, "bytes": spelled, "logprob": token.get("logprob")}
