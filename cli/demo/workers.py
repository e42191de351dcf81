"""The worker process behind a loaded model, as a killer finds it."""

from __future__ import annotations

import psutil

from cli.client import Client
from shared.errors import NotFound
from shared.vocabulary import RunState


def kill_worker(client: Client, model: str) -> int:
    """`kill -9` the worker that holds a model on this machine, and say which pid it had. Raises NotFound.

    A run's process is a child of its worker, so the run's pid leads there.
    """
    for run in client.every("/v1/runs"):
        if run["model"] == model and run["state"] == RunState.READY and run["pid"]:
            worker = psutil.Process(run["pid"]).parent()
            if worker is not None:
                worker.kill()
                return int(worker.pid)
    raise NotFound(f"No worker holds {model}", "no run of it is ready", "see the demo's log")
