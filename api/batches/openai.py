"""Batch files as OpenAI writes them. Source: OpenAI's API reference, "Batch"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from api import shapes
from api.batches import recordings
from api.batches.contract import Asked, Unanswered
from api.gateway.dialects import openai_chat, openai_completions, openai_embeddings, openai_responses
from api.gateway.exchange import TRANSCRIPTION, TRANSLATION, Exchange
from api.gateway.reading import need
from shared.errors import InvalidParameters, NotFound, Problem
from shared.identifiers import new_id
from shared.requests import CHAT, COMPLETION, EMBEDDING

_RESPONSES = "/v1/responses"
ENDPOINTS: Mapping[str, Callable[[dict[str, Any]], Exchange]] = {
    CHAT: openai_chat.read,
    COMPLETION: openai_completions.read,
    EMBEDDING: openai_embeddings.read,
    _RESPONSES: openai_responses.read,
    TRANSCRIPTION: partial(recordings.read, path=TRANSCRIPTION),
    TRANSLATION: partial(recordings.read, path=TRANSLATION),
}
_UNANSWERED = {
    Unanswered.CANCELLED: "This request was not executed, because the batch was cancelled.",
    Unanswered.EXPIRED: "This request could not be executed before the completion window expired.",
}


class OpenAi:
    """Lines `{custom_id, method, url, body}`; answers and errors in files of their own."""

    name = "openai"
    id_prefix = "batch"
    together = False

    def read(self, written: Any, endpoint: str) -> Asked:
        if not isinstance(written, dict):
            raise InvalidParameters("The line is not an object", "", "write {custom_id, method, url, body}")
        custom_id = need(written, "custom_id", str, "answers are told apart by it")
        if str(written.get("method") or "POST").upper() != "POST":
            raise InvalidParameters("method is wrong", "every endpoint is a POST", "give POST", field="method")
        if (url := written.get("url") or endpoint) != endpoint:
            raise InvalidParameters(
                "url is wrong", f"it is {url!r}, and the batch is for {endpoint}", f"give {endpoint}", field="url"
            )
        return Asked(custom_id, ENDPOINTS[endpoint](need(written, "body", dict, "it is the request")))

    def answered(self, custom_id: str, said: Any) -> dict[str, Any]:
        return _line(custom_id, _response(200, said), None)

    def refused(self, custom_id: str | None, problem: Problem, status: int) -> dict[str, Any]:
        known = shapes.OPENAI.status(status)
        if problem.code == NotFound.code and "model" in problem.details:
            problem = problem.model_copy(update={"code": "model_not_found"})
        return _line(custom_id, _response(known, shapes.OPENAI.body(problem, known)), None)

    def unanswered(self, custom_id: str | None, why: Unanswered) -> dict[str, Any]:
        return _line(custom_id, None, {"code": f"batch_{why}", "message": _UNANSWERED[why]})


def _line(custom_id: str | None, response: dict[str, Any] | None, error: dict[str, str] | None) -> dict[str, Any]:
    return {"id": new_id("batch_req"), "custom_id": custom_id, "response": response, "error": error}


def _response(status: int, body: Any) -> dict[str, Any]:
    return {"status_code": status, "request_id": new_id("req"), "body": body}
