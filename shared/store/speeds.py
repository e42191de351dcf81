"""How fast models came to each host lately, by kind of source: measured by downloads, kept in the rows."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from shared.db import now
from shared.protocol import Transfer
from shared.tables import Speed
from shared.units import MIB
from shared.upsert import insert_for
from shared.vocabulary import Source

#: What is remembered of a host and a kind of source: so many of the last transfers.
LAST = 5
#: Bytes below which a transfer tells how long it takes to ask, rather than how fast bytes come.
LEAST = 16 * MIB

_SOURCES = frozenset(Source)


def note(session: Session, host: str, transfers: Iterable[Transfer]) -> None:
    """Remember what a download measured on a host."""
    for transfer in transfers:
        if transfer.source in _SOURCES and transfer.bytes >= LEAST and transfer.seconds > 0:
            _add(session, host, transfer.source, transfer.bytes / transfer.seconds)


def _add(session: Session, host: str, source: str, rate: float) -> None:
    known = session.scalar(
        select(Speed.rates).where(Speed.host == host, Speed.source == source).with_for_update()
    )  # fmt: skip
    told = {"rates": [*(known or ()), rate][-LAST:], "updated_at": now(session)}
    session.execute(
        insert_for(session, Speed)
        .values({"host": host, "source": source, **told})
        .on_conflict_do_update(index_elements=[Speed.host, Speed.source], set_=told)
    )


def read_speeds(connection: Connection) -> dict[tuple[str, Source], float]:
    """Bytes per second by host and kind of source: the median of the last few."""
    table = Speed.__table__.c
    rows = connection.execute(select(table.host, table.source, table.rates))
    return {(host, Source(source)): median(rates) for host, source, rates in rows if source in _SOURCES and rates}
