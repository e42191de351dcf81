"""Whether the parts of the system answer."""

from __future__ import annotations

from typing import Literal

from api.schemas.base import Out


class PartOut(Out):
    """One part of the system: does it answer, and what it says."""

    ok: bool
    says: str


class HealthOut(Out):
    """`down` when the database does not answer (status 503), `degraded` when another part does not."""

    status: Literal["ok", "degraded", "down"]
    version: str
    database: PartOut
    scheduler: PartOut
    redis: PartOut
    hosts_up: int
    hosts: int
