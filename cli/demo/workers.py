"""The worker processes of this machine's agent, as a killer finds them."""

from __future__ import annotations

import psutil

from shared.errors import NotFound


def kill_worker(agent: int, runtime: str) -> int:
    """`kill -9` the worker of a runtime; its pid. Raises NotFound. A worker's last argument names its runtime."""
    for child in psutil.Process(agent).children():
        if child.cmdline()[-1:] == [runtime]:
            child.kill()
            return int(child.pid)
    raise NotFound(f"There is no {runtime} worker", f"the agent {agent} has none", "see the demo's log")
