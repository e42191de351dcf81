"""Real run processes for tests, started as a worker starts them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shared.runtimes import InstalledModel, RunSpec
from shared.units import Bytes
from shared.vocabulary import Format
from tests.ports import own_port
from workers.process import RunProcess
from workers.runtimes import discover

ECHO = InstalledModel(id="mdl_echo", name="echo", format=Format.ECHO, path="", size=Bytes(0))


@contextmanager
def running(
    runtime: str, model: InstalledModel = ECHO, *, slots: int | None = None, context: int | None = None, **params: Any
) -> Iterator[RunProcess]:
    """A run that is ready; ended, whatever happens."""
    engine = discover()[runtime]
    process = RunProcess.start(engine.plan(RunSpec(context=context, slots=slots, params=params), model, own_port()))
    try:
        process.wait_ready(engine.diagnose)
        yield process
    finally:
        process.stop()
