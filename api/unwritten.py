"""What was counted and is not written down yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.calls import Called
from shared.usage import Part, Spent, total

#: Calls that are kept while the database is away; of more the oldest are lost.
_MOST_CALLS = 10_000


@dataclass(slots=True)
class Unwritten:
    """By what it was counted for."""

    spent: dict[Part, Spent] = field(default_factory=dict)
    #: Jobs that ended well and whose usage is still to be read, and what pieces of jobs took, by the job.
    jobs: list[str] = field(default_factory=list)
    pieces: dict[str, Spent] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.spent or self.jobs or self.pieces or self.calls)

    def __add__(self, later: Unwritten) -> Unwritten:
        return Unwritten(
            total(self.spent, later.spent),
            self.jobs + later.jobs,
            total(self.pieces, later.pieces),
            (self.calls + later.calls)[-_MOST_CALLS:],
        )

    def apart(self) -> list[Unwritten]:
        """Each of it by itself: what cannot be written takes nothing else with it."""
        jobs = [
            Unwritten(jobs=[job] if job in self.jobs else [], pieces={job: self.pieces.get(job, Spent())})
            for job in dict.fromkeys([*self.pieces, *self.jobs])
        ]
        return [
            *(Unwritten(spent={part: spent}) for part, spent in self.spent.items()),
            *jobs,
            *(Unwritten(calls=[call]) for call in self.calls),
        ]
