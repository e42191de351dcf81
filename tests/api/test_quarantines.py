"""Models that a host does not load: listed, let out, told by events and numbers; and memory as it was measured."""

from __future__ import annotations

import pytest

from shared.protocol import RunRef
from shared.runtimes import RuntimeInfo
from shared.tables import Install, Model
from shared.vocabulary import Capability, Format
from tests.api.fleet import Fleet
from tests.api.served import Served

MODEL = "org/heavy"
LLAMA = RuntimeInfo(name="llama-cpp", version="1", formats=(Format.GGUF,), capabilities=(Capability.GENERATE,))


@pytest.fixture
def loading(door: Served, fleet: Fleet) -> RunRef:
    """A run of a model that the host has begun to load."""
    fleet.register(runtimes=[LLAMA])
    with door.database.write() as session:
        session.add(
            Model(
                id="mdl_1", name=MODEL, provider="hf", repo=MODEL, format="gguf", size=1, created_at=1.0,
                capabilities=["generate"],
            )
        )  # fmt: skip
        session.flush()
        session.add(Install(model_id="mdl_1", host="studio", path="/m", size=1, installed_at=1.0))
    ref = fleet.place(door.post("/v1/runs", {"model": MODEL}).json()["id"], runtime="llama-cpp")
    fleet.tend(ref)
    return ref


def panic(fleet: Fleet) -> None:
    """The host goes down and comes back."""
    fleet.agent = "agent-2"
    fleet.register(runtimes=[LLAMA], boot_id="boot-2", unclean_end="the host panicked")


def test_what_a_panic_barred_is_listed_and_let_out(door: Served, fleet: Fleet, loading: RunRef) -> None:
    panic(fleet)
    (barred,) = door.get("/v1/quarantines").json()["data"]
    assert (barred["model"], barred["host"]) == (MODEL, "studio")
    assert barred["reason"] == f"the host panicked while {MODEL} was being loaded"
    lifted = door.client.delete(f"/v1/quarantines/{MODEL}/studio")
    assert (lifted.status_code, lifted.json()["id"]) == (200, f"{MODEL}/studio")
    assert door.get("/v1/quarantines").json()["data"] == []
    told = door.get("/v1/events?follow=false&type=model.quarantined&type=model.released").text
    assert [line for line in told.splitlines() if line.startswith("event:")] == [
        "event: model.quarantined",
        "event: model.released",
    ]


@pytest.mark.parametrize("pair", [f"{MODEL}/studio", "none/studio", f"{MODEL}/nowhere"])
def test_what_is_not_barred_cannot_be_let_out(door: Served, loading: RunRef, pair: str) -> None:
    assert door.client.delete(f"/v1/quarantines/{pair}").status_code == 404


def test_drift_is_what_is_measured_less_what_is_held(door: Served, fleet: Fleet, loading: RunRef) -> None:
    run = door.get(f"/v1/runs/{loading.run_id}").json()
    assert (run["memory_held"], run["memory_used"], run["drift"]) == (1024, None, None)
    status = {**loading.model_dump(), "worker": fleet.worker, "memory": 1500, "peak": 1600}
    fleet.sync(runs=[status], telemetry={"runs_memory": 1500, "source": "test"})
    assert door.get(f"/v1/runs/{loading.run_id}").json()["drift"] == 476
    host = door.get("/v1/hosts/studio").json()
    assert (host["memory_held"], host["memory_used"], host["drift"]) == (1024, 1500, 476)
    fleet.report(loading, "stopped", memory=1500, peak=1600)
    assert door.get(f"/v1/runs/{loading.run_id}").json()["drift"] is None


def test_memory_is_given_to_prometheus_by_kind(door: Served, fleet: Fleet, loading: RunRef) -> None:
    status = {**loading.model_dump(), "worker": fleet.worker, "memory": 1500, "peak": 1600}
    fleet.sync(runs=[status], telemetry={"runs_memory": 1500, "source": "test"})
    panic(fleet)
    text = door.get("/metrics").text
    assert 'cidermill_quarantines{host="studio"} 1.0' in text
    assert 'cidermill_host_memory_used_bytes{host="studio"} 1500.0' in text
    again = fleet.place(door.post("/v1/runs", {"model": MODEL}).json()["id"], runtime="llama-cpp")
    text = door.get("/metrics").text
    assert again.generation == 1
    place = f'host="studio",kind="%s",model="{MODEL}",runtime="llama-cpp"'
    assert f"cidermill_run_memory_bytes{{{place % 'held'}}} 1024.0" in text
    assert f"cidermill_run_memory_bytes{{{place % 'used'}}}" not in text
