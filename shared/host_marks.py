"""What people say of hosts: labels that jobs select them by, taints that keep work away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy.orm import Session

from shared import events
from shared.hosts import find


def mark(
    session: Session, name: str, labels: Mapping[str, str | None] | None = None, taints: Iterable[str] | None = None
) -> None:
    """Change labels, where `None` takes one away, and replace taints. Raises NotFound.

    A label that the host's own settings give comes back when it registers.
    """
    row = find(session, name)
    if labels:
        merged = {**row.labels, **labels}
        row.labels = {key: value for key, value in merged.items() if value is not None}
    if taints is not None:
        row.taints = sorted(set(taints))
    session.flush()
    said = {"labels": row.labels, "taints": row.taints}
    events.record(session, [{"type": "host.marked", "host": name, "data": said}])
