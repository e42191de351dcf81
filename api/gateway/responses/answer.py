"""What a model said, as OpenAI's response: items, and the object around them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from api.gateway.pieces import Usage, answer_of
from api.gateway.responses.likely import Likely, Token
from api.gateway.responses.repeated import repeated
from shared.identifiers import new_id

Item = dict[str, Any]


class Response:
    """One response to one request: its id, and what it repeats of the request. Raises InvalidParameters."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._id = new_id("resp")
        self._created = int(time.time())
        self._repeated = repeated(asked)
        self.likely = Likely(asked)
        #: Thoughts as summaries, which is all that OpenAI's own clients show of them.
        self.summarised = self._repeated["reasoning"]["summary"] is not None

    def whole(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """An engine's whole answer."""
        answer = answer_of(said)
        items = []
        if answer.thought:
            items.append(thought(new_id("rs"), answer.thought, summarised=self.summarised))
        self.likely.hear(said)
        if answer.text or (not items and not answer.calls):
            items.append(message(new_id("msg"), answer.text, likely=self.likely.take_of(answer.text)))
        items += [call(new_id("fc"), one.id, one.name, one.arguments) for one in answer.calls]
        return self.ended(answer.reason, items, answer.usage)

    def ended(self, reason: str, items: Sequence[Item], used: Usage) -> dict[str, Any]:
        """With all that was said, whether the model came to its end or to a limit."""
        why = why_not(reason)
        status = "incomplete" if why else "completed"
        if why and items and items[-1].get("status"):
            items = [*items[:-1], items[-1] | {"status": "incomplete"}]
        return self.shown(
            status,
            items,
            usage=_usage(used),
            incomplete_details={"reason": why} if why else None,
            completed_at=None if why else int(time.time()),
        )

    def shown(self, status: str, items: Sequence[Item] = (), **more: Any) -> dict[str, Any]:
        """The object with every field that strict clients want."""
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "completed_at": None,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "output": list(items),
            "usage": None,
            **self._repeated,
            **more,
        }


def why_not(reason: str) -> str | None:
    """Why an answer that ended so is not complete; `None`: it is."""
    return {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason)


def message(item_id: str, text: str, status: str = "completed", likely: Sequence[Token] = ()) -> Item:
    content = [text_part(text, likely)]
    return {"type": "message", "id": item_id, "status": status, "role": "assistant", "content": content}


def text_part(text: str, likely: Sequence[Token] = ()) -> Item:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(likely)}


def thought(item_id: str, text: str, *, summarised: bool = False) -> Item:
    """What the model thought before it answered; who wants a summary of it gets all of it as one."""
    item: Item = {"type": "reasoning", "id": item_id, "summary": []}
    if summarised:
        return item | {"summary": [summary_part(text)]}
    return item | {"content": [{"type": "reasoning_text", "text": text}]}


def summary_part(text: str) -> Item:
    return {"type": "summary_text", "text": text}


def call(item_id: str, call_id: str | None, name: str | None, arguments: str, status: str = "completed") -> Item:
    return {
        "type": "function_call",
        "id": item_id,
        "call_id": call_id or new_id("call"),
        "name": name or "",
        "arguments": arguments,
        "status": status,
    }


def _usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.prompt,
        "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": 0},
        "output_tokens": used.completion,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.prompt + used.completion,
    }
