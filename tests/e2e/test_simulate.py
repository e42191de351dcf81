"""What a real front door remembers can be replayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import cidermill
from tests.stack import running
from tests.waiting import eventually

pytestmark = pytest.mark.e2e


def test_the_history_of_a_front_door_is_a_trace_once_it_has_some(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        before = ("--url", stack.url, "simulate", "--from-history", "--by", "who")
        assert "nothing to replay" in cidermill(tmp_path, *before).stderr
        for number in range(6):
            asked = {"kind": "inference", "params": {"model": "echo", "prompt": "hello"}}
            stack.http.post("/v1/jobs", json=asked | {"labels": {"who": "ab"[number % 2]}}).raise_for_status()
        eventually(lambda: len(stack.http.get("/v1/jobs", params={"state": "succeeded"}).json()["data"]) == 6, 60)
        printed = cidermill(tmp_path, *before, "--print")
        trace = json.loads(printed.stdout)
        assert {job["key"] for job in trace["jobs"]} == {"a", "b"}
        assert (len(trace["jobs"]), trace["jobs"][0]["at"], trace["hosts"][0]["name"]) == (6, 0.0, "alpha")
        played = json.loads(cidermill(tmp_path, *before, "--policy", "cidermill", "--json").stdout)
        assert played["policies"][0]["stranded"] == 0
