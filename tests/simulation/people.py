"""People: they submit, change their minds, and try again."""

from __future__ import annotations

from functools import partial

from shared.errors import Conflict, NotFound
from shared.jobs import state as jobs
from shared.runs import state as runs
from tests.simulation.catalog import Catalog
from tests.simulation.world import Lost, World


class People:
    """All of them."""

    def __init__(self, world: World, catalog: Catalog, until: float) -> None:
        self._world, self._catalog, self._until = world, catalog, until
        for job_id in catalog.wishes:
            world.loop.after(world.between(0.0, until * 0.6), partial(self._submit, job_id))
        for _ in catalog.wishes:
            world.loop.after(world.between(0.0, until), self._meddle)

    def _submit(self, job_id: str) -> None:
        """Until it is there; the second time round it may be there already."""
        if job_id in self._world.ledger.now.jobs:
            return
        try:
            row = self._catalog.row(job_id, self._world.loop.now)
            self._world.call("person", "submit", lambda session: jobs.submit(session, [row]))
        except Lost:
            self._world.loop.after(1.0, lambda: self._submit(job_id))

    def _meddle(self) -> None:
        rows = self._world.ledger.now
        if not rows.jobs:
            return
        job_id = self._world.random.choice([*rows.jobs])
        try:
            what = self._world.random.random()
            if what < 0.3:
                self._world.call("person", "cancel", lambda session: jobs.cancel(session, job_id))
            elif what < 0.7:
                self._world.call("person", "retry", lambda session: jobs.retry(session, job_id))
            elif living := [run.id for run in rows.runs.values() if not run.final]:
                run_id = self._world.random.choice(living)
                self._world.call("person", "stop run", lambda session: runs.request_stop(session, run_id, "wished"))
        except (Lost, Conflict, NotFound):
            return
