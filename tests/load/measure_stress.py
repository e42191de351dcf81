"""More real models than fit, asked for at random: nothing runs out of memory, and models are not loaded for nothing."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.units import GIB, MIB
from tests.load.figure import Figure
from tests.load.foresight import fewest_loads
from tests.models import smollm2
from tests.stack import Stack, running
from workers.footprint import measure

_MODELS, _REQUESTS, _SEED = 6, 300, 20
#: Seconds between two requests on average: faster than models can be swapped in order, slower than the engines.
_GAP = 0.4
_BUDGET = GIB
_SPEC = {"context": 2048, "slots": 2}


@dataclass
class Watched:
    """The worst that was seen on the host, in bytes."""

    held: int = 0
    used: int = 0
    #: The smallest need of any run: the budget over it is how many models fit at best.
    smallest: int = _BUDGET


def figures() -> Iterator[Figure]:
    asked = _sequence()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"CIDERMILL_MEMORY": str(_BUDGET)}
        with running(Path(folder) / "home", runtimes='["llama-cpp","store"]', environment=environment) as stack:
            _install(stack, Path(folder))
            began = time.monotonic()
            with _watching(stack) as watched:
                jobs = _ask(stack, asked)
                ends = [stack.wait(job_id, timeout=600) for job_id in jobs]
            seconds = time.monotonic() - began
            runs = stack.get("/v1/runs?limit=1000")["data"]
    failed = [run for run in runs if run["state"] == "failed"]
    room = _BUDGET // watched.smallest
    best = fewest_loads(asked, room)
    told = f"{_REQUESTS} requests for {_MODELS} models, {room} fit, {seconds:.0f} s"
    yield Figure("jobs that did not succeed", sum(job["state"] != "succeeded" for job in ends), "jobs", 0, "less", told)
    yield Figure("runs that died", len(failed), "runs", 0, "less", f"of {len(runs)}")
    yield Figure("memory held at most / budget", 100 * watched.held / _BUDGET, "%", 100, "less")
    yield Figure("memory measured at most / budget", 100 * watched.used / _BUDGET, "%", 100, "less")
    yield Figure("loads in order, offline optimum", best, "loads", note="Belady's, for the same sequence")
    yield Figure("loads / offline optimum", len(runs) / best, "×", 1.2, "less", f"{len(runs)} loads")


def _sequence() -> list[str]:
    chance = random.Random(_SEED)
    return [f"model-{chance.randrange(_MODELS)}" for _ in range(_REQUESTS)]


def _install(stack: Stack, folder: Path) -> None:
    """Copies, so that no two runs share pages of one file."""
    for number in range(_MODELS):
        path = folder / f"model-{number}.gguf"
        shutil.copyfile(smollm2().path, path)
        stack.wait(stack.submit("download", model=f"local:{path}", name=f"model-{number}"))


def _ask(stack: Stack, asked: Sequence[str]) -> list[str]:
    """Submit at random moments, whatever becomes of the earlier ones."""
    chance = random.Random(_SEED + 1)
    jobs = []
    for number, model in enumerate(asked):
        body = {"messages": [{"role": "user", "content": f"{number}: tell me of the sea."}], "max_tokens": 16}
        jobs.append(stack.submit("inference", model=model, requests=[body], spec=_SPEC, stream=False))
        # The load itself, not a wait for anything.
        time.sleep(chance.expovariate(1 / _GAP))
    return jobs


@contextmanager
def _watching(stack: Stack) -> Iterator[Watched]:
    watched, over = Watched(), threading.Event()

    def look() -> None:
        while not over.wait(0.25):
            _note(watched, stack.get("/v1/runs?limit=200")["data"])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watched
    finally:
        over.set()
        thread.join()


def _note(watched: Watched, runs: list[dict[str, Any]]) -> None:
    holding = [run for run in runs if run["memory_held"]]
    watched.held = max(watched.held, sum(run["memory_held"] for run in holding))
    watched.smallest = min([watched.smallest, *(run["memory_held"] for run in holding if run["memory_held"] > MIB)])
    usages = [measure(run["pid"]) for run in holding if run["pid"]]
    watched.used = max(watched.used, sum(usage.current for usage in usages if usage))
