"""What clients see of a front door that asks for keys: `python keys.py URL openai|anthropic|ollama KEY`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

URL, DIALECT, KEY = sys.argv[1:4]
#: The last sentence of every refusal.
REMEDY = "cidermill keys create"


def refused(kind: type[Exception], ask: Callable[..., Any], **how: Any) -> None:
    """The client's own error for it, which says where to get a key."""
    try:
        ask(**how)
    except kind as error:
        told = error
    else:
        raise AssertionError(f"{DIALECT}: let in without a key that counts")
    assert getattr(told, "status_code", None) == 401, told
    assert REMEDY in str(told), told


if DIALECT == "openai":
    from openai import AuthenticationError, OpenAI

    def caller(key: str) -> OpenAI:
        return OpenAI(base_url=f"{URL}/v1", api_key=key, max_retries=0)

    assert [model.id for model in caller(KEY).models.list()] == ["echo"]
    refused(AuthenticationError, caller("none").models.list)
    hello = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
    for stream in (False, True):
        refused(AuthenticationError, caller("none").chat.completions.create, **hello, stream=stream)
elif DIALECT == "anthropic":
    from anthropic import Anthropic
    from anthropic import AuthenticationError as Unknown

    for known in ({"api_key": KEY}, {"auth_token": KEY}):
        assert [model.id for model in Anthropic(base_url=URL, **known).models.list()] == ["echo"]
    stranger = Anthropic(base_url=URL, api_key="none", max_retries=0)
    refused(Unknown, stranger.models.list)
    said = {"model": "echo", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
    for stream in (False, True):
        refused(Unknown, stranger.messages.create, **said, stream=stream)
else:
    from ollama import Client, ResponseError

    assert [model.model for model in Client(URL, headers={"Authorization": f"Bearer {KEY}"}).list().models] == [
        "echo:latest"
    ]
    refused(ResponseError, Client(URL).list)
    refused(ResponseError, Client(URL).chat, model="echo", messages=[{"role": "user", "content": "hello"}])
    refused(ResponseError, lambda: list(Client(URL).chat("echo", [], stream=True)))
    os.environ["OLLAMA_API_KEY"] = KEY
    assert Client(URL).list().models
