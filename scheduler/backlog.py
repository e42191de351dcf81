"""Jobs that wait for slots of runs which are all taken."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from scheduler.views import JobView


@dataclass(frozen=True, slots=True)
class Backlog:
    """Those who would be helped by another copy of what they want."""

    #: The first of them.
    job: JobView
    #: Runtimes that have failed to load it.
    skip: Collection[str]
