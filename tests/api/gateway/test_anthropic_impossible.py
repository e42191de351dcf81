"""What Anthropic's servers do beside a model, and nobody does here."""

from __future__ import annotations

from typing import Any

import pytest

from api.gateway.anthropic.errors import body
from api.gateway.anthropic.request import chat_of
from shared.errors import InvalidParameters


def asked(**fields: Any) -> dict[str, Any]:
    return {"max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]} | fields


def test_a_talk_that_the_server_should_keep_is_refused_in_words_by_which_clients_send_it_whole() -> None:
    with pytest.raises(InvalidParameters) as refused:
        chat_of(asked(thread={"type": "create"}))
    error = body(refused.value.problem, 400)["error"]
    assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    with pytest.raises(InvalidParameters) as refused:
        chat_of(asked(mcp_servers=[{}]))
    assert "details" not in body(refused.value.problem, 400)["error"]


def test_nothing_that_is_refused_is_what_its_absence_is() -> None:
    empty: dict[str, Any] = {"thread": None, "mcp_servers": [], "compaction": None, "context_management": {"edits": []}}
    assert chat_of(asked(**empty)) == chat_of(asked())
