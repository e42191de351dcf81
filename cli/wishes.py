"""When and where a job is to run, as the commands that submit one say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cli.params import labels


@dataclass(frozen=True)
class Wishes:
    """Options of a submit, as they were given; see `cli/options.py`."""

    priority: str | None = None
    label: Sequence[str] | None = None
    select: Sequence[str] | None = None
    tolerate: Sequence[str] | None = None
    avoid: str | None = None
    queue_by: str | None = None
    not_before: str | None = None
    deadline: str | None = None

    def fields(self) -> dict[str, Any]:
        """Fields of the body of `POST /v1/jobs`; none for what was not given. Raises BadRequest."""
        placement = _given(
            {"selector": labels(self.select), "tolerations": list(self.tolerate or ()), "avoid": self.avoid}
        )
        return _given(
            {
                "priority": self.priority,
                "labels": labels(self.label),
                "placement": placement,
                "queue_by": self.queue_by,
                "not_before": self.not_before,
                "deadline": self.deadline,
            }
        )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
