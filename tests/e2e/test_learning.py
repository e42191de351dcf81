"""What is measured of real models decides how they are placed next, and what keeps dying is not placed there again."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from shared.runs.learned import HEADROOM
from shared.runs.quarantine import CRASHES
from shared.tables import Host, Learned, Run
from shared.units import GIB, MIB
from tests.models import smollm2
from tests.stack import Stack, running
from tests.waiting import eventually
from workers.runtimes import discover

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(discover()["llama-cpp"].probe() is None, reason="llama.cpp is not installed"),
]
MODEL = "smollm2"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One host with llama.cpp and a small model."""
    home = tmp_path_factory.mktemp("learning")
    with running(home, runtimes='["echo","store","llama-cpp"]') as stack:
        job = stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name=MODEL))
        assert job["state"] == "succeeded", job["error"]
        yield stack


def start(stack: Stack, model: str = MODEL, **spec: Any) -> str:
    return str(stack.post("/v1/runs", {"model": model, "spec": spec})["id"])


def run(stack: Stack, run_id: str) -> dict[str, Any]:
    return dict(stack.get(f"/v1/runs/{run_id}"))


def until(stack: Stack, run_id: str, state: str) -> dict[str, Any]:
    eventually(lambda: run(stack, run_id)["state"] in (state, "failed"), 90.0, rarest=0.2)
    found = run(stack, run_id)
    assert found["state"] == state, found["error"]
    return found


def stop(stack: Stack, run_id: str) -> dict[str, Any]:
    stack.post(f"/v1/runs/{run_id}/stop")
    return until(stack, run_id, "stopped")


def talk(stack: Stack, words: int = 1) -> None:
    job = stack.wait(stack.submit("inference", model=MODEL, prompt="word " * words, defaults={"max_tokens": 4}))
    assert job["state"] == "succeeded", job["error"]


def test_the_second_placement_follows_the_measured_peak(stack: Stack) -> None:
    first = until(stack, start(stack, context=2048, slots=1), "ready")
    assert "correction" not in first["memory_parts"]
    talk(stack, words=1200)
    over = stop(stack, first["id"])
    estimate, peak = over["memory_need"], over["memory_peak"]
    second = until(stack, start(stack, context=2048, slots=1), "ready")
    assert second["memory_need"] == max(ceil(estimate * 0.9), ceil(peak * HEADROOM))
    assert second["memory_parts"]["correction"] == second["memory_need"] - estimate
    eventually(lambda: run(stack, second["id"])["memory_used"], 30.0, rarest=0.2)
    now = run(stack, second["id"])
    assert now["drift"] == now["memory_used"] - now["memory_held"]
    stop(stack, second["id"])


def busy(stack: Stack, run_id: str) -> int:
    with stack.database.read() as session:
        return session.get_one(Run, run_id).busy_most


def chat(stack: Stack, enough: Event) -> None:
    """A person who asks again and again."""
    asked = {"role": "user", "content": "Tell me a long story of a cat and a dog."}
    body = {"model": MODEL, "messages": [asked], "max_tokens": 256}
    while not enough.is_set():
        stack.http.post("/v1/chat/completions", json=body, timeout=120.0).raise_for_status()


def taught(stack: Stack, context: int) -> int:
    """Slots that were at work in the runs that taught the peak for so many tokens."""
    with stack.database.read() as session:
        return session.scalars(select(Learned.busy).where(Learned.context == context)).one()


def test_slots_that_jobs_had_at_work_are_kept_with_the_peak(stack: Stack) -> None:
    one = until(stack, start(stack, context=1024, slots=2), "ready")
    talk(stack, words=400)
    stop(stack, one["id"])
    assert taught(stack, 1024) == 1
    both = until(stack, start(stack, context=1024, slots=2), "ready")
    requests = [{"prompt": f"Count to {number}."} for number in range(100, 400)]
    job = stack.submit("inference", model=MODEL, requests=requests, defaults={"max_tokens": 64, "temperature": 0})
    eventually(lambda: busy(stack, both["id"]) == 2, 60.0, rarest=0.2)
    stack.post(f"/v1/jobs/{job}/cancel")
    stack.wait(job)
    stop(stack, both["id"])
    assert taught(stack, 1024) == 2


def test_slots_that_people_had_at_work_are_kept_with_the_peak(stack: Stack) -> None:
    loaded = until(stack, start(stack, context=512, slots=2), "ready")
    enough = Event()
    with ThreadPoolExecutor(2) as people:
        talks = [people.submit(chat, stack, enough) for _ in range(2)]
        eventually(lambda: busy(stack, loaded["id"]) == 2 or any(talk.done() for talk in talks), 60.0, rarest=0.2)
        enough.set()
        for talk in talks:
            talk.result()
    stop(stack, loaded["id"])
    assert taught(stack, 512) == 2


def dead(stack: Stack, run_id: str) -> dict[str, Any]:
    """The run once it has died for lack of memory."""
    eventually(lambda: run(stack, run_id)["state"] == "failed", 90.0, rarest=0.2)
    found = run(stack, run_id)
    assert found["error"]["code"] == "out_of_memory", found["error"]
    return found


@contextmanager
def little_memory(pid: int, size: int) -> Iterator[None]:
    """Children of this process get at most so many bytes of addresses."""
    worker = psutil.Process(pid)
    before = worker.rlimit(psutil.RLIMIT_AS)
    worker.rlimit(psutil.RLIMIT_AS, (size, before[1]))
    try:
        yield
    finally:
        worker.rlimit(psutil.RLIMIT_AS, before)


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_AS"), reason="limits of another process are set on Linux only")
def test_a_real_death_for_lack_of_memory_raises_the_next_need(stack: Stack) -> None:
    assert resource.getrlimit(resource.RLIMIT_AS)[1] == resource.RLIM_INFINITY
    spec: dict[str, Any] = {"context": 8192, "slots": 16}
    with little_memory(stack.worker("llama-cpp"), 2 * GIB):
        died = dead(stack, start(stack, **spec))
    second = start(stack, **spec)
    eventually(lambda: run(stack, second)["memory_need"], 30.0, rarest=0.2)
    assert run(stack, second)["memory_need"] >= 1.25 * died["memory_need"]
    stop(stack, second)


def test_a_scripted_death_for_lack_of_memory_raises_the_next_need(stack: Stack) -> None:
    spec = {"params": {"memory": str(64 * MIB), "fail_load": "oom"}}
    needs = []
    for _ in range(2):
        died = dead(stack, start(stack, "echo", **spec))
        needs.append(died["memory_need"])
    assert needs[1] >= 1.25 * needs[0]


def quarantines(stack: Stack) -> list[tuple[str, str]]:
    return [(one["model"], one["host"]) for one in stack.get("/v1/quarantines")["data"]]


def lift(stack: Stack) -> None:
    stack.http.delete(f"/v1/quarantines/{MODEL}/alpha").raise_for_status()


def crash(stack: Stack) -> None:
    run_id = start(stack, context=512, slots=1)
    os.kill(until(stack, run_id, "ready")["pid"], signal.SIGKILL)
    eventually(lambda: run(stack, run_id)["state"] == "failed", 30.0, rarest=0.1)


def test_a_model_that_keeps_dying_on_a_host_is_barred_until_it_is_let_out(stack: Stack) -> None:
    for _ in range(CRASHES):
        # Those that died for lack of memory in other tests count too.
        if not quarantines(stack):
            crash(stack)
    assert quarantines(stack) == [(MODEL, "alpha")]
    waiting = start(stack, context=512, slots=1)
    eventually(lambda: (run(stack, waiting)["blocked_by"] or {}).get("code") == "quarantined", 30.0, rarest=0.1)
    assert f"{MODEL} crashed {CRASHES} times" in run(stack, waiting)["blocked_by"]["sentence"]
    lift(stack)
    until(stack, waiting, "ready")
    stop(stack, waiting)
    assert quarantines(stack) == []


def test_a_host_that_went_down_while_it_loaded_a_model_bars_it(stack: Stack) -> None:
    run_id = start(stack, context=512, slots=1)
    until(stack, run_id, "ready")
    stack.kill("alpha")
    pretend_another_boot(stack)
    stack.start("alpha")
    eventually(lambda: quarantines(stack) == [(MODEL, "alpha")], 60.0, rarest=0.2)
    assert "went down" in stack.get("/v1/quarantines")["data"][0]["reason"]
    lift(stack)


def pretend_another_boot(stack: Stack) -> None:
    """What the mark and the front door would say, had the machine begun anew under its agent."""
    mark = next(Path(stack.home).rglob("boot.json"))
    mark.write_text(json.dumps({"boot_id": "an earlier boot"}))
    with stack.database.write() as session:
        session.get_one(Host, "alpha").boot_id = "an earlier boot"
