"""Queues, schedules and marks of hosts from the command line, against real processes."""

from __future__ import annotations

import pytest

from cli.exits import Exit
from tests.api.streams import read
from tests.cli.conftest import Mill

pytestmark = pytest.mark.e2e


def test_a_part_of_the_queue_is_paused_limited_and_listed(mill: Mill) -> None:
    assert mill("queues", "pause", "label:team=a/b").stdout == "label:team=a/b paused, weight 1, no limit\n"
    held = mill("submit", "inference", "--model", "echo", "--prompt", "x", "--label", "team=a/b").stdout.strip()
    set_ = mill("queues", "set", "label:team=a/b", "--weight", "2", "--limit", "3")
    assert set_.stdout == "label:team=a/b paused, weight 2, at most 3 at work\n"
    listed = {part["name"]: part for part in mill.lines("queues", "ls")}
    assert listed["label:team=a/b"]["waiting"] == 1
    assert "before it" in mill("jobs", "explain", held).stdout
    assert mill("queues", "resume", "label:team=a/b").returncode == Exit.OK
    assert mill("jobs", "wait", held).returncode == Exit.OK
    assert "did you mean inference" in mill("queues", "pause", "kind:inferense").stderr


def test_a_schedule_is_added_run_and_removed(mill: Mill) -> None:
    added = mill("schedules", "add", "nightly", "30 2 * * *", "inference", "-p", "model=echo", "-p", "prompt=tick")
    assert added.returncode == Exit.OK, added.stderr
    job_id = mill("schedules", "run", "nightly").stdout.strip()
    assert mill("jobs", "wait", job_id).returncode == Exit.OK
    assert mill("schedules", "pause", "nightly").stdout == "nightly paused\n"
    assert "nightly" in mill("schedules", "show", "nightly").stdout
    assert mill("schedules", "rm", "nightly").returncode == Exit.OK
    bad = mill("schedules", "add", "bad", "30 2", "inference", "-p", "model=echo", "-p", "prompt=tick")
    assert "To fix:" in bad.stderr


def test_hosts_are_labelled_tainted_and_maintained(mill: Mill) -> None:
    assert mill("hosts", "label", "alpha", "room=cellar", "x=1").stdout == "room=cellar, x=1\n"
    assert mill("hosts", "label", "alpha", "x-").stdout == "room=cellar\n"
    assert mill("hosts", "taint", "alpha", "gpu=lent").stdout == "gpu=lent\n"
    assert mill("hosts", "taint", "alpha", "gpu-").stdout == "alpha has no taints\n"
    assert mill("hosts", "maintenance", "alpha", "--reason", "new fan").stdout == "alpha up, maintenance\n"
    assert "new fan" in mill("hosts", "show", "alpha").stdout
    assert mill("hosts", "maintenance", "alpha", "--off").stdout == "alpha up\n"


def test_why_a_job_waits_is_the_same_over_rest_the_command_line_and_events(mill: Mill) -> None:
    """Its place is told to who asks: it changes with every job before it, and is no event."""
    mill("queues", "pause", "label:team=late")
    job_id = mill("submit", "inference", "--model", "echo", "--prompt", "x", "--label", "team=late").stdout.strip()
    with mill.stack.http.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "0"}) as stream:
        event = next(told.data["data"] for told in read(stream) if told.name == "job.blocked")
    asked = mill.stack.get(f"/v1/jobs/{job_id}/explain")
    assert mill.json("jobs", "explain", job_id) == asked
    assert event["code"] == "paused"
    assert asked["sentence"].endswith(f": {event['sentence']}")
    assert {**event, "sentence": asked["sentence"], "position": asked["position"]} == asked
    assert mill("jobs", "cancel", job_id).returncode == Exit.OK
    assert mill("queues", "resume", "label:team=late").returncode == Exit.OK


def test_a_run_is_explained(mill: Mill) -> None:
    run_id = mill("runs", "start", "echo").stdout.strip()
    assert mill("runs", "explain", run_id).stdout.startswith("ready on alpha with echo")
