"""Message batches as Anthropic writes them. Source: Anthropic's API reference, "Message Batches"."""

from __future__ import annotations

from typing import Any

from api.batches.contract import Asked, Unanswered
from api.gateway.anthropic import errors
from api.gateway.dialects import anthropic
from api.gateway.reading import need
from shared.errors import InvalidParameters, Problem

ENDPOINT = "/v1/messages"
_UNANSWERED = {Unanswered.CANCELLED: "canceled", Unanswered.EXPIRED: "expired"}


class Anthropic:
    """Lines `{custom_id, params}`; every line has its result in one file."""

    name = "anthropic"
    id_prefix = "msgbatch"
    together = True

    def read(self, written: Any, endpoint: str) -> Asked:
        if not isinstance(written, dict):
            raise InvalidParameters("The request is not an object", "", "give {custom_id, params}")
        custom_id = need(written, "custom_id", str, "results are told apart by it")
        params = need(written, "params", dict, "it is the request for a message")
        # A batch has nobody to stream to.
        return Asked(custom_id, anthropic.read({name: value for name, value in params.items() if name != "stream"}))

    def answered(self, custom_id: str, said: Any) -> dict[str, Any]:
        return {"custom_id": custom_id, "result": {"type": "succeeded", "message": said}}

    def refused(self, custom_id: str | None, problem: Problem, status: int) -> dict[str, Any]:
        error = errors.body(problem, errors.SHAPE.status(status))
        return {"custom_id": custom_id, "result": {"type": "errored", "error": error}}

    def unanswered(self, custom_id: str | None, why: Unanswered) -> dict[str, Any]:
        return {"custom_id": custom_id, "result": {"type": _UNANSWERED[why]}}
