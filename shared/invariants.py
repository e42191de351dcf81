"""What must be true of the rows at any moment, as queries: empty answers mean that all is well.

The crash simulation asks after every step, `cidermill doctor` when a person does, and a gauge when it is scraped, but
not of jobs that have long been over. Two more are properties of a history, not of a moment, and only the simulation
sees them: I9 (losing Redis loses no work and doubles none) and I10 (a final state is left only by a retry).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import LiteralString

from sqlalchemy import text
from sqlalchemy.orm import Session

from shared.db import clock_time


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold, and of what: ids of jobs, runs or hosts, or numbers of epochs."""

    code: str
    sentence: str
    ids: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.ids[:5]) + (f" and {len(self.ids) - 5} more" if len(self.ids) > 5 else "")
        return f"{self.code}: {self.sentence} ({shown})"


@dataclass(frozen=True)
class Invariant:
    """A truth by number; `query` selects the id of everything it does not hold for.

    In it `{jobs}` and `{attempts}` stand for those that are looked at; live ones are among them in any case.
    """

    code: str
    sentence: str
    query: LiteralString


INVARIANTS = (
    Invariant(
        "I1",
        "more than one attempt of the job is alive",
        "SELECT job_id FROM attempts WHERE state IN ('assigned', 'running') GROUP BY job_id HAVING count(*) > 1",
    ),
    Invariant(
        "I2",
        "the job's attempt number is not that of its latest attempt",
        """SELECT jobs.id FROM {jobs}
           WHERE jobs.attempt <> coalesce((SELECT max(number) FROM attempts WHERE attempts.job_id = jobs.id), 0)""",
    ),
    Invariant(
        "I3",
        "the job waits or is over, but an attempt of it is alive",
        """SELECT job_id FROM (SELECT job_id FROM attempts WHERE state IN ('assigned', 'running')) living
            JOIN jobs ON jobs.id = living.job_id WHERE jobs.state NOT IN ('assigned', 'running')""",
    ),
    Invariant(
        "I4",
        "the job is under way, but its attempt is not, or not in the same state",
        """SELECT jobs.id FROM jobs
            LEFT JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt
            WHERE jobs.state IN ('assigned', 'running') AND (attempts.state IS NULL OR attempts.state <> jobs.state)""",
    ),
    Invariant(
        "I5",
        "the job's success does not come from its latest attempt",
        """SELECT jobs.id FROM {jobs}
           LEFT JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt
           WHERE jobs.state = 'succeeded' AND (
               attempts.state IS NULL OR attempts.state <> 'succeeded'
               OR jobs.result_attempt IS NULL OR jobs.result_attempt <> jobs.attempt)""",
    ),
    Invariant(
        "I5",
        "an attempt succeeded, but its job has gone on without it",
        """SELECT attempts.job_id FROM {attempts} JOIN jobs ON jobs.id = attempts.job_id
           WHERE attempts.state = 'succeeded' AND (jobs.state <> 'succeeded' OR jobs.attempt <> attempts.number)""",
    ),
    Invariant(
        "I6",
        "the host's runs hold more memory than its budget",
        """SELECT host FROM (
               SELECT host, sum(memory_held) AS held FROM runs WHERE memory_held > 0 GROUP BY host) holding
           JOIN hosts ON hosts.name = holding.host WHERE holding.held > hosts.budget""",
    ),
    Invariant(
        "I6",
        "the run is placed, but does not hold the memory it needs",
        """SELECT id FROM runs WHERE state IN ('pending', 'starting', 'ready', 'stopping')
            AND memory_held < memory_need AND (state <> 'pending' OR host IS NOT NULL)""",
    ),
    Invariant(
        "I7",
        "the attempt lives without a timer",
        """SELECT job_id FROM attempts WHERE state IN ('assigned', 'running') AND (
               (state = 'running' AND lease_until IS NULL)
               OR (state = 'assigned' AND (publish_at IS NULL OR claim_by IS NULL)))""",
    ),
    Invariant(
        "I7",
        "the run lives without a timer",
        """SELECT id FROM runs WHERE state IN ('pending', 'starting', 'ready', 'stopping') AND (
                (state <> 'pending' AND lease_until IS NULL)
                OR (state = 'pending' AND host IS NOT NULL AND (publish_at IS NULL OR claim_by IS NULL)))""",
    ),
    Invariant(
        "I7",
        "the job was given out before its time",
        """SELECT jobs.id FROM jobs
            JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt
            WHERE jobs.state IN ('assigned', 'running') AND attempts.assigned_at < jobs.not_before""",
    ),
    Invariant(
        "I8",
        "a scheduler of an older epoch assigned after a newer one had",
        """SELECT CAST(epoch AS varchar(20)) FROM (
               SELECT epoch, min(assigned_at) AS began, lag(max(assigned_at)) OVER (ORDER BY epoch) AS before_ended
               FROM {attempts} GROUP BY epoch) epochs
           WHERE before_ended > began OR epoch > (SELECT max(epoch) FROM leader)""",
    ),
    Invariant(
        "I11",
        "attempts hold more slots of the run than it offers",
        """SELECT run_id FROM (SELECT run_id, sum(slots) AS taken FROM attempts
                WHERE state IN ('assigned', 'running') AND run_id IS NOT NULL GROUP BY run_id) seats
            JOIN runs ON runs.id = seats.run_id WHERE seats.taken > runs.slots""",
    ),
    Invariant(
        "I12",
        "somebody wants the job cancelled, but it waits for another attempt",
        "SELECT id FROM jobs WHERE state = 'queued' AND cancel_requested_at IS NOT NULL",
    ),
    Invariant(
        "I13",
        "another attempt is under way on the host of an exclusive job",
        """SELECT exclusive.job_id FROM (
               SELECT attempts.job_id, attempts.host FROM attempts JOIN jobs ON jobs.id = attempts.job_id
               WHERE attempts.state IN ('assigned', 'running') AND jobs.exclusive) exclusive
           WHERE EXISTS (
               SELECT 1 FROM attempts WHERE attempts.host = exclusive.host AND attempts.job_id <> exclusive.job_id
               AND attempts.state IN ('assigned', 'running'))""",
    ),
)


def _query(jobs: str, attempts: str) -> str:
    parts = (
        f"SELECT {number} AS number, found.* FROM ({invariant.query}) found"  # noqa: S608 - constants of this file
        for number, invariant in enumerate(INVARIANTS)
    )
    return (" UNION ALL ".join(parts) + " ORDER BY 1").format(jobs=jobs, attempts=attempts)


#: Rows of (number of the invariant, id of what it does not hold for), by number.
QUERY = _query("jobs", "attempts")
#: The same of jobs that are not over, or ended since a moment, and of their attempts.
_LATELY_SECONDS = 3600.0
_LATELY = f"""WITH late AS (
        SELECT id, state, attempt, result_attempt FROM jobs WHERE state IN ('queued', 'assigned', 'running')
        UNION ALL SELECT id, state, attempt, result_attempt FROM jobs
        WHERE state NOT IN ('queued', 'assigned', 'running')
        AND finished_at > :since),
    tried AS (
        SELECT job_id, number, attempts.state, epoch, assigned_at FROM late CROSS JOIN attempts
        WHERE attempts.job_id = late.id)
    {_query("late jobs", "tried attempts")}"""  # noqa: S608 - constants of this file


def broken(session: Session) -> list[Violation]:
    """Everything that does not hold now; one query, which walks the tables of jobs, attempts and runs."""
    return violations(session.connection().exec_driver_sql(QUERY))


def lately_broken(session: Session) -> list[Violation]:
    """What does not hold now, but for jobs that have long been over: it takes no longer with each that is kept."""
    since = clock_time(session) - _LATELY_SECONDS
    return violations((row[0], row[1]) for row in session.execute(text(_LATELY), {"since": since}))


def violations(rows: Iterable[tuple[int, str]]) -> list[Violation]:
    """What the rows of `QUERY` say."""
    return [
        Violation(INVARIANTS[number].code, INVARIANTS[number].sentence, tuple(sorted(str(row[1]) for row in found)))
        for number, found in groupby(rows, key=lambda row: row[0])
    ]
