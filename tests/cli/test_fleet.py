"""Models, runs, hosts, keys, chat and doctor from the command line, against real processes."""

from __future__ import annotations

import json
import socket

import pytest

from cli.exits import Exit
from tests.cli.conftest import Mill

pytestmark = pytest.mark.e2e


def test_models_are_listed_and_shown(mill: Mill) -> None:
    assert [model["id"] for model in mill.lines("models", "ls")] == ["echo"]
    assert "format" in mill("models", "info", "echo").stdout


def test_a_run_is_started_listed_and_stopped(mill: Mill) -> None:
    run_id = mill("runs", "start", "echo", "--slots", "3", "-p", "load_seconds=0.1").stdout.strip()
    listed = {run["id"]: run for run in mill.lines("runs", "ls")}
    assert (listed[run_id]["state"], listed[run_id]["slots"]) == ("ready", 3)
    assert mill("runs", "stop", run_id).returncode == Exit.OK


def test_a_run_that_cannot_load_says_why(mill: Mill) -> None:
    done = mill("runs", "start", "echo", "--slots", "5", "-p", "fail_load=unsupported")
    assert done.returncode == Exit.FAILED
    assert "To fix:" in done.stderr


def test_hosts_are_listed_drained_and_opened_again(mill: Mill) -> None:
    [host] = mill.lines("hosts", "ls")
    assert (host["name"], host["state"]) == ("alpha", "up")
    assert mill("hosts", "drain", "alpha").stdout == "alpha up, draining\n"
    assert mill("hosts", "undrain", "alpha").stdout == "alpha up\n"
    assert "echo" in mill("hosts", "show", "alpha").stdout


def test_joining_prints_the_token_alone_and_the_command_beside_it(mill: Mill) -> None:
    done = mill("hosts", "join", "beta")
    token = done.stdout.strip()
    # As that machine reaches it: loopback would be that machine itself.
    address = f"http://{socket.gethostname()}:{mill.stack.port}"
    assert f"--name beta --join {address} --token {token}" in done.stderr


def test_keys_are_created_listed_and_revoked(mill: Mill) -> None:
    key = mill("keys", "create", "ci", "--role", "read").stdout.strip()
    assert key.startswith("ck_")
    [listed] = [one for one in mill.lines("keys", "ls") if one["name"] == "ci"]
    assert mill("keys", "revoke", listed["id"]).returncode == Exit.OK
    assert "revoked" in mill("keys", "ls").stdout


def test_what_is_removed_is_told_as_json(mill: Mill) -> None:
    key = mill("keys", "create", "gone", "--json").stdout
    [revoked] = mill.lines("keys", "revoke", json.loads(key)["id"])
    assert revoked["revoked_at"] is not None
    mill("models", "alias", "add", "parrot", "echo")
    assert mill.lines("models", "alias", "rm", "parrot") == [{"id": "parrot", "object": "model_alias", "deleted": True}]
    mill("schedules", "add", "nightly", "0 3 * * *", "inference", "-p", "model=echo", "-p", "prompt=hi")
    [forgotten] = mill.lines("schedules", "rm", "nightly")
    assert (forgotten["object"], forgotten["deleted"]) == ("schedule", True)
    assert mill("models", "rm", "nobody", "--json").returncode == Exit.NOT_FOUND
    assert mill("hosts", "quarantine", "lift", "echo", "alpha", "--json").returncode == Exit.NOT_FOUND


def test_chatting_with_a_model_that_is_not_there_is_exit_code_5(mill: Mill) -> None:
    assert mill("chat", "--model", "ekho", "hi").returncode == Exit.NOT_FOUND


def test_the_doctor_finds_a_healthy_fleet(mill: Mill) -> None:
    done = mill("doctor", "--json")
    found = {finding["name"]: finding["status"] for finding in map(json.loads, done.stdout.splitlines())}
    assert found["front door"] == found["scheduler"] == found["redis"] == found["host alpha"] == "ok"
    assert done.returncode == Exit.OK


def test_the_doctor_fails_without_a_front_door_and_says_how_to_fix_it(mill: Mill) -> None:
    done = mill("--url", "http://127.0.0.1:9", "doctor")
    assert done.returncode == Exit.FAILED
    assert "Fix: start it with `cidermill up`" in done.stdout
