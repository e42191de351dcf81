"""Models that lie on one host of a test's fleet alone, though all its hosts share this machine's disk."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from shared.tables import Install
from tests.stack import Stack


def only_on(stack: Stack, host: str, original: Path) -> Path:
    """Move what was registered there to where only that host's row says that it is."""
    folder = original.parent.rename(original.parent.with_name(f"disk-of-{host}"))
    moved = folder / original.name
    with stack.database.write() as session:
        session.execute(update(Install).where(Install.host == host).values(path=str(moved)))
    return moved
