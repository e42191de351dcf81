"""A download job as the lines of Ollama's `POST /api/pull`.

"pulling manifest", then "pulling <12 digits>" with bytes, "verifying sha256 digest", "writing manifest", "success".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.gateway.ollama import errors
from shared.errors import Problem
from shared.tables import Job
from shared.vocabulary import JobState

_VERIFYING = "verifying sha256 digest"


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a client is told of a job at one moment."""

    line: Mapping[str, Any]
    final: bool = False
    failed: bool = False


def glimpse(job: Job) -> Glimpse:
    """How far it is."""
    if job.state == JobState.SUCCEEDED:
        return Glimpse({"status": "success"}, final=True)
    if job.state.final:
        return Glimpse(errors.body(_why(job), 500), final=True, failed=True)
    progress = job.progress or {}
    if job.state != JobState.RUNNING or not progress.get("total"):
        return Glimpse({"status": "pulling manifest"})
    if job.phase == "checking":
        return Glimpse({"status": _VERIFYING})
    return Glimpse(_bytes(str(job.params.get("model")), progress))


def last(before: list[str]) -> list[dict[str, str]]:
    """The lines that come before the success, of which a quick job has shown none."""
    return [{"status": status} for status in (_VERIFYING, "writing manifest") if status not in before]


def _bytes(model: str, progress: Mapping[str, Any]) -> dict[str, Any]:
    """Clients draw one bar for each digest: all files together are one, told apart by where they come from."""
    digest = hashlib.sha256(model.encode()).hexdigest()
    done, total = int(progress.get("done") or 0), int(progress["total"])
    line = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": total}
    return line | ({"completed": min(done, total)} if done else {})


def _why(job: Job) -> Problem:
    if job.error:
        return Problem.model_validate(job.error)
    return Problem(code="cancelled", what=f"The download {job.id} was cancelled", fix="pull it again")
