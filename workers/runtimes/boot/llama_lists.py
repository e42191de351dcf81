"""A list of prompts in one completion: each is asked for by itself, and what is said to all is told as one answer.

llama.cpp would take any free slots for them, and read each prompt whole.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from shared.foreign_json import read_foreign
from shared.token_totals import TokenTotals
from workers.runtimes.boot.asgi import Message, Send, send_bytes
from workers.runtimes.boot.llama_passing import EVENTS, Asked, opened

_JSON = [(b"content-type", b"application/json")]


class Refused(Exception):
    """What llama.cpp said of one prompt in place of an answer."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(status)
        self.status, self.content = status, content


def prompts(body: dict[str, Any]) -> list[Any]:
    """The prompts of a list; none where it is one prompt, or nothing that can be taken apart."""
    prompt = body.get("prompt")
    return prompt if isinstance(prompt, list) and all(isinstance(one, str | list) for one in prompt) else []


class Together:
    """One answer to a list of prompts, each with so many `choices`, which are numbered from the first prompt's on."""

    def __init__(self, asked: Asked, send: Send, number: int, choices: int) -> None:
        self._asked, self._send, self._choices = asked, send, choices
        self._answers: list[dict[str, Any] | None] = [None] * number
        #: What all of a stream are called, and when they were made: as the first of it.
        self._same: dict[str, Any] = {}

    def answer(self, place: int) -> Send:
        """Takes what is sent to the client of the prompt at that place. Raises Refused."""
        status, events, said = HTTPStatus.OK, False, b""

        async def take(message: Message) -> None:
            nonlocal status, events, said
            if message["type"] == "http.response.start":
                status = message["status"]
                events = dict(message["headers"]).get(b"content-type", b"").startswith(EVENTS.encode())
                return
            said += message["body"]
            if events:
                *lines, said = said.split(b"\n")
                for line in lines:
                    await self._line(place, line)
            elif not message.get("more_body"):
                self._answers[place] = _answer(status, said)

        return take

    async def end(self) -> None:
        """Each has its answer."""
        if self._asked.told:
            await self._send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
        else:
            content = json.dumps(self._whole(), ensure_ascii=False).encode(errors="replace")
            await send_bytes(self._send, content, _JSON, HTTPStatus.OK)

    async def refuse(self, why: Refused) -> None:
        """That is the end of it, for all prompts."""
        if self._asked.told:
            await self._send({"type": "http.response.body", "body": b"data: " + why.content + b"\n\n"})
        else:
            await send_bytes(self._send, why.content, _JSON, why.status)

    async def _line(self, place: int, line: bytes) -> None:
        if line.startswith(b"data: {"):
            event = _answer(HTTPStatus.OK, line[6:])
            self._same = self._same or {name: event[name] for name in ("id", "created") if name in event}
            told = json.dumps(self._numbered(place, event) | self._same, ensure_ascii=False, separators=(",", ":"))
            line = b"data: " + told.encode(errors="replace")
        elif not line.startswith(b":"):
            return
        await opened(self._asked, self._send)
        await self._send({"type": "http.response.body", "body": line + b"\n\n", "more_body": True})

    def _whole(self) -> dict[str, Any]:
        answers = [self._numbered(place, answer or {}) for place, answer in enumerate(self._answers)]
        totals, usage = TokenTotals(self._choices), None
        for place, answer in enumerate(answers):
            usage = totals.add(answer | {"choices": [{"index": place * self._choices}]}) or usage
        choices = [choice for answer in answers for choice in answer.get("choices", ())]
        whole = {name: value for name, value in answers[0].items() if name != "timings"}
        return whole | {"choices": choices} | ({"usage": usage} if usage else {})

    def _numbered(self, place: int, said: dict[str, Any]) -> dict[str, Any]:
        first = place * self._choices
        for choice in said.get("choices") or ():
            choice["index"] = first + choice.get("index", 0)
        return said


def _answer(status: int, said: bytes) -> dict[str, Any]:
    """Raises Refused when it is none."""
    try:
        answer = read_foreign(said)
    except ValueError:
        answer = None
    if status != HTTPStatus.OK or not isinstance(answer, dict) or "error" in answer:
        raise Refused(_status(status, answer), said)
    return answer


def _status(status: int, answer: Any) -> int:
    """Of an error; one that comes late tells it in its text."""
    error = answer.get("error") if isinstance(answer, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if status != HTTPStatus.OK:
        return status
    return code if isinstance(code, int) and 400 <= code < 600 else HTTPStatus.INTERNAL_SERVER_ERROR
