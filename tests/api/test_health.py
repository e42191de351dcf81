"""How it is, and the numbers."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import pulse
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served


def test_it_is_degraded_until_every_part_answers(
    open_door: Opener, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "_TIMEOUT", 30.0)
    door = open_door(redis_url=valkey, lease_seconds=600)
    health = door.get("/health").json()
    assert (health["status"], health["redis"]["ok"], health["scheduler"]["ok"]) == ("degraded", True, False)
    fleet = Fleet(door, "studio")
    fleet.register()
    fleet.lead()
    health = door.get("/v1/health").json()
    assert (health["status"], health["hosts_up"], health["hosts"]) == ("ok", 1, 1), health
    assert health["scheduler"]["says"] == "test leads in epoch 1"


def test_a_dead_redis_degrades_it_and_jobs_are_still_taken(open_door: Opener) -> None:
    door = open_door(redis_url="redis://:secret@127.0.0.1:1/0")
    health = door.get("/health").json()
    assert (health["status"], health["redis"]["ok"]) == ("degraded", False)
    assert "secret" not in door.get("/health").text
    assert door.submit()


def test_the_numbers_are_what_the_tables_say(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    door.submit()
    door.get("/v1/jobs/job_none")
    families = {f.name: f for f in text_string_to_metric_families(door.get("/metrics").text)}

    def value(name: str, **labels: str) -> float:
        family = families[name.removesuffix("_total").removesuffix("_count")]
        [sample] = [s for s in family.samples if s.name == name and labels.items() <= s.labels.items()]
        return sample.value

    assert value("cidermill_jobs", state="running", kind="inference") == 1
    assert value("cidermill_jobs", state="queued", kind="inference") == 1
    assert value("cidermill_attempts", state="running") == 1
    assert value("cidermill_runs", state="ready") == 1
    assert value("cidermill_run_slots", host="studio", runtime="echo", model="echo") == 4
    assert value("cidermill_run_slots_used", host="studio", runtime="echo", model="echo") == 1
    assert value("cidermill_host_memory_budget_bytes", host="studio") == fleet.budget
    assert value("cidermill_host_memory_held_bytes", host="studio") == 1024
    assert value("cidermill_host_up", host="studio") == 1
    assert value("cidermill_job_wait_seconds_count", kind="inference") == 1
    assert value("cidermill_database_up") == 1
    assert value("cidermill_http_requests_total", route="/v1/jobs/{job_id}", method="GET", status="404") == 1
    assert all(sample.value == 0 for sample in families["cidermill_invariants_broken"].samples)
    assert ref.job_id not in door.get("/metrics").text


def test_no_series_is_told_twice(door: Served, fleet: Fleet) -> None:
    fleet.running_job()
    lines = [line.rsplit(" ", 1)[0] for line in door.get("/metrics").text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("path", ["/v1/nothing-1", "/v1/nothing-2"])
def test_paths_that_do_not_exist_make_no_labels(door: Served, path: str) -> None:
    door.get(path)
    text = door.get("/metrics").text
    assert path not in text
    assert 'route="unmatched"' in text
