"""More people than slots: the fleet makes room for them by a second run, and whoever comes next is sent there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.load.leaving import answered
from tests.load.streams import Asker
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

_SLOTS, _PEOPLE = 2, 6
#: How often one more person comes, and seconds after which the next one does.
_TRIES, _PATIENCE = 10, 5.0


def ready(stack: Stack) -> list[str]:
    """Hosts with a ready run."""
    return sorted(run["host"] for run in stack.get("/v1/runs")["data"] if run["state"] == "ready")


def test_a_crowd_gets_a_second_run_on_another_host(tmp_path: Path) -> None:
    own = {"api": {"CIDERMILL_HOST_NAME": "alpha"}}
    with running(tmp_path, hosts=("alpha", "beta"), own_environment=own) as stack:
        stack.post("/v1/runs", {"model": "echo", "host": "alpha", "spec": {"slots": _SLOTS}})
        eventually(lambda: ready(stack) == ["alpha"], 60)
        asyncio.run(crowd(stack))


async def crowd(stack: Stack) -> None:
    """Streams that nobody could wait out take every slot of the first run, and most of them wait for one."""
    asker = Asker(stack.url, "echo")
    people: list[asyncio.Task[Any]] = [asyncio.create_task(asker.streams(1, 100_000, 0.02)) for _ in range(_PEOPLE)]
    try:
        await asyncio.to_thread(eventually, lambda: ready(stack) == ["alpha", "beta"], 60)
        # The first run has no slot for them: the second one answers. Some may come before the front door knows of it.
        done: set[asyncio.Task[Any]] = set()
        for _ in range(_TRIES):
            people.append(asyncio.create_task(answered(stack.url, "echo")))
            done, _ = await asyncio.wait(people[_PEOPLE:], timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if done:
                break
        assert done, "nobody was sent to the second run"
        done.pop().result()
    finally:
        for person in people:
            person.cancel()
        await asyncio.gather(*people, return_exceptions=True)
        asker.client.close()
