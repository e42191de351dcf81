"""Who leads: one row, one statement to take or renew it, the same on PostgreSQL and SQLite.

Every write of a scheduler carries its `Fence` and checks it inside its own transaction, so that a scheduler which was
paused past its lease can change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, select, text, update
from sqlalchemy.orm import Session

from shared import guards
from shared.db import now
from shared.errors import StaleTransition
from shared.tables import Leader
from shared.upsert import insert_for

NAME = "scheduler"


@dataclass(frozen=True)
class Fence:
    """Proof of leadership: valid while the row says the same."""

    holder: str
    epoch: int

    def holds(self, session: Session) -> guards.Conditions:
        return guards.leads(self.holder, self.epoch, now(session))


def lead(session: Session, holder: str, seconds: float, name: str = NAME) -> Fence | None:
    """Take or renew the lead for `seconds`; `None` while somebody else has it."""
    moment = now(session)
    mine = (Leader.holder == holder) & (Leader.until > moment)
    statement = (
        insert_for(session, Leader)
        .values(name=name, holder=holder, epoch=1, until=moment + seconds)
        .on_conflict_do_update(
            index_elements=[Leader.name],
            set_={
                "epoch": case((mine, Leader.epoch), else_=Leader.epoch + 1),
                "holder": holder,
                "until": moment + seconds,
            },
            where=(Leader.holder == holder) | (Leader.until <= moment),
        )
        .returning(Leader.epoch)
    )
    epoch = session.scalar(statement)
    return Fence(holder, epoch) if epoch is not None else None


def resign(session: Session, fence: Fence, name: str = NAME) -> None:
    """Let another scheduler lead at once."""
    session.execute(update(Leader).where(Leader.name == name, *fence.holds(session)).values(until=text("0")))


def check(session: Session, fence: Fence, name: str = NAME) -> None:
    """Hold the lead until this transaction ends; asked again in the same one, it is held already.

    Raises StaleTransition when it is no longer ours.
    """
    held = (session.get_transaction(), fence, name)
    if session.info.get("held") == held:
        return
    query = select(Leader.epoch).where(Leader.name == name, *fence.holds(session)).with_for_update()
    if session.scalar(query) is None:
        raise StaleTransition(
            "This scheduler no longer leads",
            f"another one took over after epoch {fence.epoch}",
            "nothing to do: it waits for its turn",
        )
    session.info["held"] = (session.get_transaction(), fence, name)
