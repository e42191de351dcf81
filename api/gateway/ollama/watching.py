"""Looking at a job again and again, also past a moment without the database."""

from __future__ import annotations

import time

from api.deps import FrontDoor
from api.errors import NO_DATABASE, unanswered
from api.gateway.ollama.progress import Glimpse, glimpse
from shared.jobs import queries

#: Seconds between two looks at a job.
GLANCE = 0.25
#: Seconds that the database may be away while a client waits.
PATIENCE = 30.0


class Watch:
    """Of one job; while the database is away for a moment it shows what was there last."""

    def __init__(self, door: FrontDoor, job_id: str, patience: float | None = None) -> None:
        self._door = door
        self._job_id = job_id
        self._patience = PATIENCE if patience is None else patience
        self._last = Glimpse({"status": "pulling manifest"})
        self._when = time.monotonic()

    def look(self) -> Glimpse:
        """Raises NotFound for a job that was forgotten, and Unavailable once the database was away for too long."""
        try:
            with self._door.read() as session:
                self._last = glimpse(queries.find(session, self._job_id))
            self._when = time.monotonic()
        except NO_DATABASE as error:
            if time.monotonic() - self._when > self._patience:
                raise unanswered(error) from error
        return self._last
