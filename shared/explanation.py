"""Why a job or a run is where it is: one object for REST, the command line and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.vocabulary import JobState, RunState


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Holding(_Said):
    """A run that holds memory, and why it keeps it."""

    model: str
    held: int
    standing: str


class HostReason(_Said):
    """Why one host does not take it; bytes, null where they do not matter."""

    host: str
    code: str
    sentence: str = ""
    free: int | None = None
    held: int | None = None
    holders: list[Holding] = []


class Explanation(_Said):
    """What a job or a run does or waits for."""

    id: str
    state: JobState | RunState
    sentence: str
    code: str | None = Field(default=None, description="Why it waits, as a word; null when it does not.")
    position: int | None = Field(default=None, description="Jobs before it in the order of class and age.")
    needs: int | None = Field(default=None, description="Bytes of memory or of disk.")
    hosts: list[HostReason] = Field(default=[], description="What keeps it off each host, the nearest first.")
    would_help: list[str] = Field(default=[], description="What would have to happen; any one of these.")
    estimate: float | None = Field(
        default=None, description="Seconds until it begins, from measured rates; null when they do not tell."
    )


def waiting(
    thing_id: str,
    state: JobState | RunState,
    reason: Mapping[str, Any],
    *,
    sentence: str | None = None,
    position: int | None = None,
    ahead: int | None = None,
) -> Explanation:
    """Of something that waits for `reason`, as the scheduler wrote it; `ahead` wait before it for the same."""
    return Explanation.model_validate(
        {
            **reason,
            "id": thing_id,
            "state": state,
            "sentence": sentence or reason.get("sentence", ""),
            "position": position,
            "estimate": _estimate(reason, ahead),
        }
    )


def _estimate(reason: Mapping[str, Any], ahead: int | None) -> float | None:
    """The time of the first who waits for this, and that of each one ahead of it."""
    seconds, each = reason.get("seconds"), reason.get("each")
    if seconds is None or not ahead:
        return seconds
    return None if each is None else round(seconds + each * ahead, 3)
