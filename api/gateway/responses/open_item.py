"""Items of a streamed response while they grow: what is told when one is added, grows and is done."""

from __future__ import annotations

from typing import Any, Protocol

from api.gateway.pieces import Call
from api.gateway.responses.answer import Item, call, message, summary_part, text_part, thought
from api.gateway.responses.likely import Likely, Token
from shared.identifiers import new_id

#: An event without its number and the item's place.
Told = dict[str, Any]


class OpenItem(Protocol):
    """An item that is not done."""

    def added(self) -> list[Told]:
        """It begins, empty."""

    def grown(self, piece: str) -> Told:
        """A piece more."""

    def done(self, status: str) -> list[Told]:
        """Nothing more comes: it is `completed`, or `incomplete`."""

    def item(self, status: str) -> Item:
        """All of it so far."""


class OpenText:
    """A message of the model."""

    def __init__(self, likely: Likely) -> None:
        self._id = new_id("msg")
        self._pieces: list[str] = []
        self._heard = likely
        self._likely: list[Token] = []

    def added(self) -> list[Told]:
        empty = self.item("in_progress") | {"content": []}
        part = {"type": "response.content_part.added", **self._place(), "part": text_part("")}
        return [{"type": "response.output_item.added", "item": empty}, part]

    def grown(self, piece: str) -> Told:
        self._pieces.append(piece)
        likely = self._heard.take()
        self._likely += likely
        return {"type": "response.output_text.delta", **self._place(), "delta": piece, "logprobs": likely}

    def done(self, status: str) -> list[Told]:
        text = "".join(self._pieces)
        return [
            {"type": "response.output_text.done", **self._place(), "text": text, "logprobs": self._likely},
            {"type": "response.content_part.done", **self._place(), "part": text_part(text, self._likely)},
            {"type": "response.output_item.done", "item": self.item(status)},
        ]

    def item(self, status: str) -> Item:
        return message(self._id, "".join(self._pieces), status, self._likely)

    def _place(self) -> Told:
        return {"item_id": self._id, "content_index": 0}


class OpenThought:
    """What the model thinks before it answers."""

    def __init__(self) -> None:
        self._id = new_id("rs")
        self._pieces: list[str] = []

    def added(self) -> list[Told]:
        return [{"type": "response.output_item.added", "item": self.item("in_progress") | {"content": []}}]

    def grown(self, piece: str) -> Told:
        self._pieces.append(piece)
        return {"type": "response.reasoning_text.delta", "item_id": self._id, "content_index": 0, "delta": piece}

    def done(self, status: str) -> list[Told]:
        text = "".join(self._pieces)
        return [
            {"type": "response.reasoning_text.done", "item_id": self._id, "content_index": 0, "text": text},
            {"type": "response.output_item.done", "item": self.item(status)},
        ]

    def item(self, status: str) -> Item:
        return thought(self._id, "".join(self._pieces))


class OpenSummary(OpenThought):
    """The same for who wants a summary of it."""

    def added(self) -> list[Told]:
        empty = self.item("in_progress") | {"summary": []}
        part = {"type": "response.reasoning_summary_part.added", **self._place(), "part": summary_part("")}
        return [{"type": "response.output_item.added", "item": empty}, part]

    def grown(self, piece: str) -> Told:
        self._pieces.append(piece)
        return {"type": "response.reasoning_summary_text.delta", **self._place(), "delta": piece}

    def done(self, status: str) -> list[Told]:
        text = "".join(self._pieces)
        return [
            {"type": "response.reasoning_summary_text.done", **self._place(), "text": text},
            {"type": "response.reasoning_summary_part.done", **self._place(), "part": summary_part(text)},
            {"type": "response.output_item.done", "item": self.item(status)},
        ]

    def item(self, status: str) -> Item:
        return thought(self._id, "".join(self._pieces), summarised=True)

    def _place(self) -> Told:
        return {"item_id": self._id, "summary_index": 0}


class OpenCall:
    """A function that the model calls."""

    def __init__(self, first: Call) -> None:
        self._id = new_id("fc")
        self._call_id = first.id or new_id("call")
        self._name = first.name
        self._pieces: list[str] = []
        self.index = first.index

    def added(self) -> list[Told]:
        return [{"type": "response.output_item.added", "item": self.item("in_progress")}]

    def grown(self, piece: str) -> Told:
        self._pieces.append(piece)
        return {"type": "response.function_call_arguments.delta", "item_id": self._id, "delta": piece}

    def done(self, status: str) -> list[Told]:
        whole = self.item(status)
        said = {"item_id": self._id, "name": whole["name"], "arguments": whole["arguments"]}
        return [
            {"type": "response.function_call_arguments.done", **said},
            {"type": "response.output_item.done", "item": whole},
        ]

    def item(self, status: str) -> Item:
        return call(self._id, self._call_id, self._name, "".join(self._pieces), status)
