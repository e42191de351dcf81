"""`cidermill simulate`: a fleet in virtual time, without a front door."""

from __future__ import annotations

import json
from pathlib import Path

from cli.exits import Exit
from tests.cli.running import cidermill

TRACE = {
    "name": "mine",
    "hosts": [{"name": "studio", "budget": "16GiB", "disk_rate": "1GiB"}],
    "models": [{"name": "qwen", "size": "4GiB", "memory": "4GiB"}],
    "jobs": [{"at": 0, "model": "qwen", "seconds": 10}],
}


def test_a_table_has_every_policy_under_the_lower_bound(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(TRACE))
    done = cidermill(tmp_path, "simulate", str(tmp_path / "mine.json"))
    assert done.returncode == Exit.OK, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows[1:7]] == ["POLICY", "lower", "cidermill", "fifo", "gpustack-like", "ollama-like"]
    assert rows[2][2:] == ["15.0", "s", "1.00", "×"]


def test_json_is_one_object_for_each_trace(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(TRACE))
    done = cidermill(tmp_path, "simulate", str(tmp_path / "mine.json"), "--policy", "cidermill", "--json")
    found = json.loads(done.stdout)
    assert (found["trace"], found["jobs"], found["lower_bound"]) == ("mine", 1, 15.0)
    assert [score["policy"] for score in found["policies"]] == ["cidermill"]
    assert found["policies"][0]["waits"]["normal"]["mean"] == 5.0


def test_a_drawn_trace_can_be_printed_and_played(tmp_path: Path) -> None:
    drawn = cidermill(tmp_path, "simulate", "--generate", "steady", "--seed", "3", "--print").stdout
    assert json.loads(drawn)["name"] == "steady"
    assert drawn == cidermill(tmp_path, "simulate", "--generate", "steady", "--seed", "3", "--print").stdout


def test_unknown_traces_and_policies_suggest_others(tmp_path: Path) -> None:
    trace = cidermill(tmp_path, "simulate", "stead")
    assert trace.returncode == Exit.NOT_FOUND
    assert "did you mean steady" in trace.stderr
    policy = cidermill(tmp_path, "simulate", "steady", "--policy", "filo")
    assert policy.returncode == Exit.NOT_FOUND
    assert "did you mean fifo" in policy.stderr
