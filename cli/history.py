"""What a front door remembers, as a trace that can be replayed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any

from cli.client import Client
from cli.output import Json
from shared.errors import NotFound
from shared.units import GIB

#: Bytes a second, for hosts on which nothing was loaded.
_DISK_RATE = 2 * GIB
#: Runs looked at, the newest first.
_RUNS = 1000


def past(client: Client, limit: int, label: str | None) -> Json:
    """The trace of the `limit` newest jobs that succeeded on a run; keys are the values of `label`.

    Memory is the most that runs of a model held, disk rates are sizes over measured load times, and the beginning is
    when the oldest of the jobs arrived. Raises NotFound when there is nothing to replay.
    """
    sizes = {model["id"]: model["size"] for model in client.every("/v1/models")}
    runs = [run for run in client.every("/v1/runs", _RUNS) if run["model"] in sizes and run["host"]]
    models = _models(runs, sizes)
    done = [job for job in client.every("/v1/jobs", limit, state="succeeded") if job["model"] in models]
    if not done:
        raise NotFound(
            "There is nothing to replay",
            "no job that succeeded had a run that is still known",
            "submit some jobs first",
        )
    rates = _disk_rates(runs, sizes)
    return {
        "name": "history",
        "about": f"{len(done)} jobs of {client.url}.",
        "hosts": [
            {"name": host["name"], "budget": host["capacity"], "disk_rate": rates.get(host["name"], _DISK_RATE)}
            for host in client.every("/v1/hosts")
            if host["capacity"]
        ],
        "models": list(models.values()),
        "jobs": _jobs(done, label),
    }


def _models(runs: Iterable[Json], sizes: dict[str, int]) -> dict[str, Json]:
    models: dict[str, Json] = {}
    for run in runs:
        name = run["model"]
        model = models.setdefault(name, {"name": name, "size": max(1, sizes[name]), "memory": 1, "slots": 1})
        model["memory"] = max(model["memory"], run["memory_need"], run["memory_peak"] or 0)
        model["slots"] = max(model["slots"], run["slots"])
    return models


def _disk_rates(runs: Iterable[Json], sizes: dict[str, int]) -> dict[str, int]:
    """The median of what loads on each host came to, the start of the engine included."""
    seen: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        if run["load_seconds"] and sizes[run["model"]]:
            seen[run["host"]].append(sizes[run["model"]] / run["load_seconds"])
    return {host: int(median(rates)) for host, rates in seen.items()}


def _jobs(done: list[Json], label: str | None) -> list[dict[str, Any]]:
    begin = min(job["created_at"] for job in done)
    return sorted(
        (
            {
                "at": round(job["created_at"] - begin, 3),
                "model": job["model"],
                "seconds": max(0.001, round(job["finished_at"] - job["started_at"], 3)),
                "priority": job["priority"],
                "key": job["labels"].get(label, "default") if label else "default",
            }
            for job in done
        ),
        key=lambda job: float(job["at"]),
    )
