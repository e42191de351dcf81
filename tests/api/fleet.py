"""A host whose agent, worker and scheduler are the test itself: it speaks the worker protocol, call by call."""

from __future__ import annotations

from typing import Any

import httpx2

from shared import leader, protocol
from shared.jobs import state as jobs
from shared.jobs.state import Placement, Timers
from shared.leader import Fence
from shared.protocol import AttemptRef, RunRef
from shared.runs import state as runs
from shared.runs.state import RunPlacement
from shared.runtimes import Endpoint, RuntimeInfo
from shared.units import GIB, Bytes
from shared.vocabulary import Capability, Format
from tests.api.served import Served

ECHO = RuntimeInfo(
    name="echo",
    version="1",
    formats=(Format.ECHO,),
    capabilities=(Capability.GENERATE, Capability.EMBED, Capability.TRANSCRIBE),
    default_slots=4,
    base_memory=Bytes(1024),
)
STORE = RuntimeInfo(name="store", version="1", formats=(), capabilities=(Capability.STORE,), lane_slots=4)
_TIMERS = Timers()


class Fleet:
    """One host of the fleet."""

    def __init__(self, door: Served, host: str, budget: int = 8 * GIB) -> None:
        self.door = door
        self.host = host
        self.budget = budget
        self.agent = "agent-1"
        self.worker = "worker-1"
        self.token = door.post("/v1/hosts/join", {"name": host}).json()["token"]

    # --- the agent and the worker ---

    def call(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        """POST to the worker protocol as this host."""
        named = {"Authorization": f"Bearer {self.token}", protocol.HEADER: str(protocol.VERSION), **headers}
        said = body.model_dump(mode="json") if hasattr(body, "model_dump") else body
        return self.door.client.post(f"/worker/v1{path}", json=said, headers=named)

    def get(self, path: str) -> httpx2.Response:
        named = {"Authorization": f"Bearer {self.token}", protocol.HEADER: str(protocol.VERSION)}
        return self.door.client.get(f"/worker/v1{path}", headers=named)

    def registration(self, **more: Any) -> protocol.Register:
        """What its agent says of it."""
        said = {
            "agent": self.agent,
            "boot_id": "boot-1",
            "version": "0.1.0",
            "platform": "test",
            "memory_total": 2 * self.budget,
            "budget": self.budget,
            "disk_free": 500 * GIB,
            "runtimes": [ECHO, STORE],
        }
        return protocol.Register.model_validate(said | more)

    def register(self, **more: Any) -> protocol.Registered:
        answer = self.call("/register", self.registration(**more))
        assert answer.status_code == 200, answer.text
        return protocol.Registered.model_validate_json(answer.content)

    def sync(self, **more: Any) -> protocol.Synced:
        said = protocol.Sync.model_validate({"agent": self.agent, "budget": self.budget, **more})
        answer = self.call("/sync", said)
        assert answer.status_code == 200, answer.text
        return protocol.Synced.model_validate_json(answer.content)

    def claim(self, *refs: AttemptRef, worker: str | None = None) -> list[protocol.Assignment]:
        answer = self.call("/claim", protocol.Claim(worker=worker or self.worker, attempts=list(refs)))
        assert answer.status_code == 200, answer.text
        return protocol.Claimed.model_validate_json(answer.content).assignments

    def finish(self, ref: AttemptRef, outcome: str = "succeeded", **more: Any) -> protocol.Verdict:
        said = {"worker": self.worker, "attempts": [{**ref.model_dump(), "outcome": outcome, **more}]}
        answer = self.call("/finish", said)
        assert answer.status_code == 200, answer.text
        return protocol.Finished.model_validate_json(answer.content).verdicts[0]

    def keep(self, ref: AttemptRef, *items: dict[str, Any]) -> None:
        """Hand in finished pieces of a job."""
        answer = self.call("/items", {**ref.model_dump(), "worker": self.worker, "items": list(items)})
        assert answer.json() == {"accepted": True}, answer.text

    def tend(self, ref: RunRef) -> protocol.RunOrder:
        answer = self.call("/runs/tend", {**ref.model_dump(), "worker": self.worker})
        assert answer.status_code == 200, answer.text
        return protocol.RunOrder.model_validate_json(answer.content)

    def report(self, ref: RunRef, event: str, **more: Any) -> bool:
        said = {**ref.model_dump(), "worker": self.worker, "event": event, **more}
        answer = self.call("/runs/report", said)
        assert answer.status_code == 200, answer.text
        return protocol.Accepted.model_validate_json(answer.content).accepted

    # --- the scheduler ---

    def lead(self) -> Fence:
        with self.door.database.write() as session:
            fence = leader.lead(session, "test", 60.0)
        assert fence is not None
        return fence

    def place(self, run_id: str, runtime: str = "echo", need: int = 1024, slots: int = 4) -> RunRef:
        """Give a pending run to this host."""
        fence = self.lead()
        placement = RunPlacement(run_id, self.host, runtime, slots, 4096, need, {})
        with self.door.database.write() as session:
            placed = runs.place(session, fence, [placement], _TIMERS)
        return RunRef(run_id=placed[0].run_id, generation=placed[0].generation)

    def assign(self, job_id: str, run_id: str | None, runtime: str = "echo") -> AttemptRef:
        """Give a queued job to this host."""
        fence = self.lead()
        with self.door.database.write() as session:
            given = jobs.assign(session, fence, [Placement(job_id, self.host, runtime, run_id, 1)], _TIMERS)
        return AttemptRef(job_id=given[0].job_id, attempt=given[0].attempt)

    def ready_run(
        self, url: str = "http://127.0.0.1:1", model: str = "echo", served: Endpoint | None = None, **more: Any
    ) -> RunRef:
        """A run of the echo model, all the way to ready; `served` is where it answers when that is another engine."""
        made = self.door.post("/v1/runs", {"model": model, **more})
        assert made.status_code == 201, made.text
        return self.make_ready(made.json()["id"], url, served)

    def make_ready(self, run_id: str, url: str, served: Endpoint | None = None) -> RunRef:
        ref = self.place(run_id)
        assert self.tend(ref).action == protocol.RunAction.START
        endpoint = served or Endpoint(url=url, served_name="served-echo", slots=4, context=4096)
        assert self.report(ref, "ready", endpoint=endpoint.model_dump(), pid=4711, load_seconds=0.5, memory=2048)
        return ref

    def running_job(self, **more: Any) -> AttemptRef:
        """A job on a ready run, claimed."""
        run = self.ready_run()
        ref = self.assign(self.door.submit(**more), run.run_id)
        assert len(self.claim(ref)) == 1
        return ref
