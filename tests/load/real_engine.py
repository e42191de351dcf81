"""A whole Cidermill with a real llama.cpp on a host of its own machine, for load tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.models import smollm2
from tests.stack import Stack, running
from tests.waiting import eventually


@contextmanager
def with_smollm2() -> Iterator[Stack]:
    """SmolLM2 is installed as `smollm2`, and no run has it."""
    own = {"api": {"CIDERMILL_HOST_NAME": "alpha"}}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), runtimes='["llama-cpp","store"]', own_environment=own) as stack,
    ):
        stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name="smollm2"))
        yield stack


def engine(stack: Stack) -> str:
    """Where a run of it answers, which is started."""
    run = stack.post("/v1/runs", {"model": "smollm2"})["id"]
    eventually(lambda: stack.get(f"/v1/runs/{run}")["state"] == "ready", 60)
    return str(stack.get(f"/v1/runs/{run}")["endpoint"]["url"])
