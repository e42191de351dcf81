"""How the fleet's download rate is split over its hosts."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.tables import Attempt, is_live_attempt


def download_share(session: Session, host: str, total: int | None) -> int | None:
    """Bytes per second for a host's downloads: each download of the fleet has the same part of `total`.

    A host with none is told what a first one would have. `None`: no limit.
    """
    if total is None:
        return None
    rows = session.execute(
        select(Attempt.host, func.count()).where(is_live_attempt, Attempt.runtime == "store").group_by(Attempt.host)
    )
    counts = {name: int(count) for name, count in rows}
    own = max(1, counts.pop(host, 0))
    return max(1, total * own // (own + sum(counts.values())))
