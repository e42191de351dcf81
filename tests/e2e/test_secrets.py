"""Keys, tokens and passwords of a live fleet are in no log, row, answer or command line; prompts are in no log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared import keys
from shared.schema import upgrade
from tests.stack import Stack

pytestmark = pytest.mark.e2e

_PROMPT = "the-prompt-that-nobody-else-reads"
_HUB_TOKEN = "hf_the_token_of_the_hub"
_FORGED = "ck_00000000_what-somebody-tries"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Stack]:
    """A host and a front door that asks for keys, both of which say as much as they can; the client is an admin."""
    environment = {"CIDERMILL_REQUIRE_KEYS": "true", "CIDERMILL_LOG_LEVEL": "debug", "HF_TOKEN": _HUB_TOKEN}
    stack = Stack(tmp_path, f"sqlite:///{tmp_path}/cidermill.db", environment=environment, runtimes='["echo"]')
    upgrade(stack.database)
    with stack.database.write() as session:
        stack.http.headers["Authorization"] = f"Bearer {keys.create(session, 'admin', 'admin')[1]}"
    try:
        yield stack.begin()
    finally:
        stack.end()


def live(fleet: Stack) -> list[str]:
    """Do what people and attackers do; the secrets that were used."""
    admin = fleet.http.headers["Authorization"].removeprefix("Bearer ")
    submit = str(fleet.post("/v1/keys", {"name": "ci", "role": "submit"})["key"])
    chat = {"model": "echo", "messages": [{"role": "user", "content": _PROMPT}]}
    mine = {"Authorization": f"Bearer {submit}"}
    assert fleet.post("/v1/chat/completions", chat, headers=mine)["choices"]
    job = fleet.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "prompt": _PROMPT}}, headers=mine)
    assert fleet.wait(job["id"])["state"] == "succeeded"
    slow = [{"prompt": _PROMPT, "echo": {"latency_ms": 60_000}}]
    fleet.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "requests": slow}}, headers=mine)
    for secret in (submit, _FORGED, fleet.tokens["alpha"]):
        fleet.http.get("/v1/jobs", params={"api_key": secret, "key": secret})
        fleet.http.get("/v1/jobs", headers={"Authorization": f"Bearer {secret}x"})
        fleet.http.get(f"/v1/jobs/{secret}", headers={"Cookie": f"key={secret}"})
        fleet.http.post("/v1/keys", json={"name": "x", "role": secret}, headers=mine)
        fleet.http.post("/worker/v1/sync", json={}, headers={"Authorization": f"Bearer {secret}"})
    fleet.http.delete(f"/v1/keys/{submit}")
    fleet.processes["alpha"].kill()
    return [admin, submit, _FORGED, _HUB_TOKEN, *fleet.tokens.values(), fleet.valkey.url.split(":")[2].split("@")[0]]


def test_no_secret_is_where_somebody_could_read_it(fleet: Stack) -> None:
    lines = [" ".join(process.cmdline()) for each in fleet.processes.values() for process in _family(each.pid)]
    secrets = live(fleet)
    assert all(len(secret) > 10 for secret in secrets)
    said = {
        path: fleet.http.get(path).text for path in ("/metrics", "/v1/audit", "/v1/calls", "/v1/usage", "/v1/hosts")
    }
    said["/v1/events"] = fleet.http.get("/v1/events?follow=false&after=0").text
    fleet.kill("api")
    said["command lines"] = "\n".join(lines)
    kept = {path.name: path.read_bytes().decode(errors="replace") for path in _files(fleet.home)}
    found = [(place, secret) for place, text in {**said, **kept}.items() for secret in secrets if secret in text]
    assert found == []
    assert {"api.log", "scheduler.log", "alpha.log", "cidermill.db"} <= set(kept)
    assert [name for name, text in kept.items() if name.endswith(".log") and _PROMPT in text] == []


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _files(home: Path) -> list[Path]:
    """All that was written, but the one that is there to hold the password."""
    return [path for path in home.rglob("*") if path.is_file() and path.name not in ("password",)]
