"""Who may call which route: all of them, by every role. A route that is not in the table does not pass."""

from __future__ import annotations

import re

import pytest

from shared import protocol
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.security.routes import Route, routes
from tests.api.served import Served

#: By the least that a caller must be; `never`: nobody may. Beside these a `worker` key may only let hosts
#: join, and a host only speak for itself.
_TABLE = {
    "nobody": """
        GET  / /api/version /docs /health /openapi.json /v1/health
        HEAD / /api/version /health /openapi.json
    """,
    "never": """
        POST /api/me /api/signout
        DELETE /api/user/keys/{key}
    """,
    "worker": """
        POST /v1/hosts/join
    """,
    "read": """
        GET  /metrics /v1/calls /v1/events /v1/quarantines /v1/usage
             /v1/hosts /v1/hosts/{name}
             /v1/jobs /v1/jobs/{job_id} /v1/jobs/{job_id}/events /v1/jobs/{job_id}/explain /v1/jobs/{job_id}/logs
             /v1/jobs/{job_id}/result
             /v1/models /v1/models/{name:path} /v1/models/aliases /v1/models/fit /v1/models/recommended
             /v1/models/search
             /v1/queues /v1/queues/{name:path}
             /v1/runs /v1/runs/{run_id} /v1/runs/{run_id}/explain /v1/runs/{run_id}/logs
             /v1/schedules /v1/schedules/{name}
             /v1/files /v1/files/{file_id} /v1/files/{file_id}/content
             /v1/batches /v1/batches/{batch_id}
             /v1/responses/{response_id} /v1/responses/{response_id}/input_items
             /v1/messages/batches /v1/messages/batches/{batch_id} /v1/messages/batches/{batch_id}/results
             /anthropic/v1/messages/batches /anthropic/v1/messages/batches/{batch_id}
             /anthropic/v1/messages/batches/{batch_id}/results
             /v1/models/ /anthropic/v1/models /anthropic/v1/models/ /anthropic/v1/models/{name:path}
             /api/ps /api/tags
        HEAD /api/blobs/{digest} /api/tags /v1/files/{file_id}/content /v1/models
        POST /api/show /v1/responses/{response_id} /v1/responses/{response_id}/cancel
        DELETE /v1/responses/{response_id}
    """,
    "submit": """
        POST /v1/jobs /v1/jobs/bulk /v1/jobs/{job_id}/cancel /v1/jobs/{job_id}/retry
             /v1/models/install /v1/models/scan /v1/models/{name:path}/verify
             /v1/runs /v1/runs/{run_id}/stop
             /v1/schedules /v1/schedules/{name}/pause /v1/schedules/{name}/resume /v1/schedules/{name}/run
             /v1/files /v1/batches /v1/batches/{batch_id}/cancel
             /v1/chat/completions /v1/completions /v1/embeddings /v1/responses /v1/responses/input_tokens
             /v1/audio/transcriptions /v1/audio/translations
             /v1/messages /v1/messages/count_tokens /v1/messages/batches /v1/messages/batches/{batch_id}/cancel
             /anthropic/v1/messages /anthropic/v1/messages/count_tokens
             /anthropic/v1/messages/batches /anthropic/v1/messages/batches/{batch_id}/cancel
             /api/chat /api/generate /api/embed /api/embeddings /api/pull /api/blobs/{digest}
        DELETE /v1/files/{file_id} /v1/runs/{run_id} /v1/schedules/{name}
             /v1/messages/batches/{batch_id} /anthropic/v1/messages/batches/{batch_id}
    """,
    "admin": """
        GET  /v1/audit /v1/keys
        POST /v1/keys /v1/models/gc
             /v1/hosts/{name}/cordon /v1/hosts/{name}/uncordon /v1/hosts/{name}/drain /v1/hosts/{name}/undrain
             /v1/hosts/{name}/maintenance
             /v1/queues/{name:path}/pause /v1/queues/{name:path}/resume
             /api/copy /api/create
        PUT  /v1/models/aliases/{name:path} /v1/queues/{name:path}
        PATCH /v1/hosts/{name} /v1/keys/{key_id}
        DELETE /v1/keys/{key_id} /v1/models/{name:path} /v1/models/aliases/{name:path}
             /v1/quarantines/{model:path}/{host} /api/delete
    """,
    "host": """
        GET  /worker/v1/files/{file_id} /worker/v1/models/shelf
        POST /worker/v1/claim /worker/v1/files /worker/v1/finish /worker/v1/items /worker/v1/output
             /worker/v1/items/recall
             /worker/v1/register /worker/v1/sync
             /worker/v1/models/found /worker/v1/models/sources /worker/v1/models/verified
             /worker/v1/runs/acquire /worker/v1/runs/release /worker/v1/runs/report /worker/v1/runs/tend
    """,
}
_KEYS = ("worker", "read", "submit", "admin")
#: Whom each caller counts as, beside itself.
_COUNTS_AS = {
    "nobody": set(),
    "worker": {"worker"},
    "read": {"read"},
    "submit": {"read", "submit"},
    "admin": {"worker", "read", "submit", "admin"},
    "host": {"host"},
    "forged": set(),
}


def table() -> dict[Route, str]:
    """The least that a caller must be, by route."""
    found: dict[Route, str] = {}
    for role, lines in _TABLE.items():
        method = ""
        for word in lines.split():
            if word.startswith("/"):
                found[Route(word, method)] = role
            else:
                method = word
    return found


@pytest.fixture
def closed(open_door: Opener) -> Served:
    """A front door that asks everybody for a key."""
    return open_door(host_name="studio", require_keys=True)


@pytest.fixture
def secrets(open_door: Opener, closed: Served) -> dict[str, str]:
    """What each caller sends; made where no key is asked for."""
    first = open_door(host_name="studio")
    made = {role: first.post("/v1/keys", {"name": role, "role": role}).json()["key"] for role in _KEYS}
    host = Fleet(first, "mini")
    host.register()
    return {"nobody": "", "forged": made["admin"][:-1] + "_", "host": host.token, **made}


def test_every_route_is_in_the_table(door: Served) -> None:
    assert sorted(map(str, routes(door.app))) == sorted(map(str, table()))


@pytest.mark.parametrize("caller", sorted(_COUNTS_AS))
def test_a_caller_gets_past_the_door_of_exactly_its_own_routes(
    closed: Served, secrets: dict[str, str], caller: str
) -> None:
    headers = {protocol.HEADER: str(protocol.VERSION)}
    if secrets[caller]:
        headers["Authorization"] = f"Bearer {secrets[caller]}"
    wrong: list[str] = []
    for route, least in table().items():
        code = _status(closed, route, headers)
        may = least == "nobody" or least in _COUNTS_AS[caller]
        # A key is known everywhere but where hosts speak, and there nothing else is.
        known = caller in _KEYS and least != "host"
        refusals = {401, 403} if may or least == "never" else {403} if known else {401}
        if (code in refusals) == may or code >= 500:
            wrong.append(f"{route}: {code}")
    assert wrong == []


def _status(door: Served, route: Route, headers: dict[str, str]) -> int:
    """What is told of the request, which makes no sense; of streams only the head is read."""
    path = re.sub(r"\{[^}]*\}", "none", route.path)
    body: dict[str, object] | None = {} if route.method in ("POST", "PUT", "PATCH", "DELETE") else None
    with door.client.stream(route.method, path, json=body, headers=headers) as answer:
        return answer.status_code
