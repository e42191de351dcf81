"""The native API as its own description says it: nothing that it allows, or forbids, is a mistake of ours.

Clients are generated from that description, so requests are generated from it, too.
"""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.fuzz.test_dialects import check

#: Events never end; workers and dialects have tests of their own.
_OTHERS = ("/worker/", "/api/", "/anthropic/", "/v1/chat", "/v1/completions", "/v1/embeddings", "/v1/responses")
_DIALECTS = ("/v1/messages", "/v1/audio", "/v1/batches")
_ODDLY = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


def test_no_request_that_the_description_names_is_a_mistake_of_ours(door: Served, fleet: Fleet) -> None:
    schema = schemathesis.openapi.from_dict(door.get("/openapi.json").json())
    for found in schema.get_all_operations():
        operation = found.ok()
        if not operation.path.startswith((*_OTHERS, *_DIALECTS)) and not operation.path.endswith("/events"):
            _tried(door, operation)


def _tried(door: Served, operation: Any) -> None:
    modes = [operation.as_strategy(mode) for mode in schemathesis.GenerationMode if _can(operation, mode)]

    @_ODDLY
    @given(case=st.one_of(modes))
    def tried(case: Any) -> None:
        asked = case.as_transport_kwargs(base_url=door.url)
        sent = {name: asked[name] for name in ("params", "json", "data", "files", "headers") if asked.get(name)}
        if isinstance(sent.get("data"), bytes | str):
            sent["content"] = sent.pop("data")
        if "files" in sent:
            sent["files"] = [(name, _written(part)) for name, part in sent["files"]]
        check(door.client.request(asked["method"], asked["url"], **sent), lambda said: "error" in said)

    tried()


def _written(part: Any) -> Any:
    """A part of a form as bytes or text, which is all that a client can send."""
    if isinstance(part, tuple):
        name, content, *more = part
        return (name, _written(content), *more)
    return part if isinstance(part, bytes | str) else json.dumps(part)


def _can(operation: Any, mode: Any) -> bool:
    """What takes nothing cannot be asked wrongly."""
    takes = operation.body or operation.query or operation.path_parameters or operation.headers
    return mode == schemathesis.GenerationMode.POSITIVE or bool(takes)
