"""People: they submit, change their minds, and try again."""

from __future__ import annotations

from functools import partial

from shared import queues
from shared.errors import Conflict, NotFound
from shared.jobs import state as jobs
from shared.runs import state as runs
from tests.simulation.catalog import Catalog
from tests.simulation.world import Lost, World

_PARTS = ("all", "kind:inference", "kind:download")


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
            if what < 0.1:
                self._hold_up(self._world.random.choice(_PARTS))
            elif what < 0.15:
                part, limit = self._world.random.choice(_PARTS), self._world.random.randint(2, 5)
                self._world.call("person", "limit", lambda session: queues.put(session, part, {"max_running": limit}))
            elif what < 0.35:
                self._world.call("person", "cancel", lambda session: jobs.cancel(session, job_id))
            elif what < 0.7:
                self._world.call("person", "retry", lambda session: jobs.retry(session, job_id))
            elif living := [run.id for run in rows.runs.values() if not run.final]:
                run_id = self._world.random.choice(living)
                self._world.call("person", "stop run", lambda session: runs.request_stop(session, run_id, "wished"))
        except (Lost, Conflict, NotFound):
            return

    def _hold_up(self, part: str) -> None:
        """Pause a part of the queue for a while; whether that was heard or not, it is resumed."""
        self._world.loop.after(self._world.between(0.5, 5.0), partial(self._resume, part))
        self._world.call("person", "pause", lambda session: queues.pause(session, part))

    def _resume(self, part: str) -> None:
        """Until it is heard."""
        try:
            self._world.call("person", "resume", lambda session: queues.resume(session, part))
        except Lost:
            self._world.loop.after(1.0, partial(self._resume, part))
