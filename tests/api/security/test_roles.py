"""What keys may not do by their role: a worker key lets hosts join, and only admins open what lies on a host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.exits import Exit
from tests.api.fleet import Fleet
from tests.api.security.test_scopes import key
from tests.api.served import Served
from tests.cli.running import cidermill
from tests.waiting import eventually


def test_a_worker_key_lets_hosts_join_and_nothing_else(door: Served) -> None:
    worker = key(door, role="worker")
    assert door.post("/v1/hosts/join", {"name": "mini-1"}, headers=worker).status_code == 201
    for path in ("/v1/jobs", "/v1/files", "/v1/hosts", "/v1/usage", "/v1/keys", "/v1/calls", "/api/tags"):
        assert door.get(path, headers=worker).status_code == 403, path
    for path in ("/v1/jobs", "/v1/chat/completions", "/v1/messages", "/v1/keys"):
        assert door.post(path, {"model": "echo"}, headers=worker).status_code == 403, path
    [joined, *_] = door.get("/v1/audit").json()["data"]
    assert (joined["action"], joined["outcome"], joined["name"]) == ("POST /v1/hosts/join", "done", "ci")


@pytest.mark.parametrize("role", ["read", "submit"])
def test_other_keys_let_no_host_join(door: Served, role: str) -> None:
    assert door.post("/v1/hosts/join", {"name": "mini-1"}, headers=key(door, role=role)).status_code == 403


def test_a_worker_key_takes_no_host_from_others(door: Served, fleet: Fleet) -> None:
    mine, theirs = key(door, role="worker"), key(door, role="worker")
    assert door.post("/v1/hosts/join", {"name": "studio"}, headers=mine).status_code == 403, "an admin let it join"
    fleet.sync()
    assert door.post("/v1/hosts/join", {"name": "mini-1"}, headers=mine).status_code == 201
    assert door.post("/v1/hosts/join", {"name": "mini-1"}, headers=theirs).status_code == 403
    assert door.post("/v1/hosts/join", {"name": "mini-1"}, headers=mine).status_code == 201


def test_an_agent_joins_by_itself_with_a_worker_key(door: Served, tmp_path: Path) -> None:
    secret = key(door, role="worker")["Authorization"].removeprefix("Bearer ")
    home = {
        "CIDERMILL_HOME": str(tmp_path / "mini"),
        "CIDERMILL_RUNTIMES": '["echo"]',
        "CIDERMILL_FIND_MODELS": "false",
    }
    command = [sys.executable, "-m", "cli", "agent", "--join", door.url, "--token", secret, "--name", "mini-1"]
    with (tmp_path / "log").open("wb") as log:
        agent = subprocess.Popen(command, env={**os.environ, **home}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually(lambda: any(host["registered_at"] for host in door.get("/v1/hosts").json()["data"]), within=60)
        [kept] = (tmp_path / "mini").rglob("token")
        assert kept.read_text() not in ("", secret)
        assert kept.stat().st_mode & 0o077 == 0
    finally:
        agent.terminate()
        agent.wait()


def test_an_agent_whose_token_is_unknown_ends_as_other_commands_do(door: Served, tmp_path: Path) -> None:
    done = cidermill(tmp_path, "agent", "--join", door.url, "--token", "unknown", "--name", "mini-1")
    assert done.returncode == Exit.AUTH
    assert {"Error", "Cause", "To fix"} <= {line.split(":")[0] for line in done.stderr.splitlines()}


_SOURCES = ["local:/etc/passwd", "/etc/passwd", "url:http://127.0.0.1:8080/a.gguf", "http://localhost/a.gguf"]


@pytest.mark.parametrize("model", [*_SOURCES, "url:https://[::1]/a.gguf"])
@pytest.mark.parametrize("path", ["/v1/models/install", "/v1/jobs", "/api/pull"])
def test_only_admins_open_what_lies_on_a_host_or_only_it_reaches(
    door: Served, fleet: Fleet, path: str, model: str
) -> None:
    body: dict[str, Any] = {"model": model, "stream": False}
    if path == "/v1/jobs":
        body = {"kind": "download", "params": {"model": model}}
    elif path == "/v1/models/install":
        body = {"model": model}
    answer = door.post(path, body, headers=key(door, role="submit"))
    assert 400 <= answer.status_code < 500, answer.text
    assert door.get("/v1/jobs").json()["data"] == []
    if path != "/api/pull":
        assert answer.status_code == 403
        assert door.post(path, body, headers=key(door, role="admin")).status_code == 201
