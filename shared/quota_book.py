"""What keys have used of their quotas, in the database: counted by all front doors together, and after a restart.

Only keys with limits have rows. Whoever opens an account keeps all others from it until its transaction ends, so that
two front doors never give away the same last request.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from shared import usage
from shared.db import clock_time
from shared.quotas import WINDOWS, Account, Limits
from shared.tables import Key, QuotaCount, QuotaFlight
from shared.upsert import insert_for

#: Seconds after which a front door that does not renew what it has under way counts as gone.
LEASE = 10.0


def opened(session: Session, key: str, door: str, limits: Limits, moment: float) -> Account:
    """What a key has used, and how many requests of it are under way at other front doors than `door`."""
    session.execute(select(Key.id).where(Key.id == key).with_for_update())
    counts = session.execute(select(QuotaCount.limit, QuotaCount.window, QuotaCount.used).where(QuotaCount.key == key))
    elsewhere = session.scalar(
        select(func.sum(QuotaFlight.requests)).where(
            QuotaFlight.key == key, QuotaFlight.door != door, QuotaFlight.until > moment
        )
    )
    account = Account(int(elsewhere or 0), {name: (window, used) for name, window, used in counts})
    _recall(session, key, account, limits, moment)
    return account


def admit_jobs(session: Session, key: str, limits: Limits, count: int) -> None:
    """Count so many jobs as requests, where no front door does. Raises QuotaExceeded."""
    if limits:
        moment = clock_time(session)
        account = opened(session, key, "", limits, moment)
        account.admit_many(count, limits, moment)
        keep(session, key, account, limits)


def keep(session: Session, key: str, account: Account, limits: Limits) -> None:
    """Write down what is counted of the limits that the key has."""
    rows = [
        {"key": key, "limit": name, "window": account.used[name][0], "used": account.used[name][1]}
        for name in sorted(limits)
        if name in account.used
    ]
    if rows:
        insert = insert_for(session, QuotaCount).values(rows)
        new = {"window": insert.excluded["window"], "used": insert.excluded["used"]}
        session.execute(insert.on_conflict_do_update(index_elements=["key", "limit"], set_=new))


def fly(session: Session, door: str, requests: Mapping[str, int], moment: float) -> None:
    """Renew how many requests of which keys are under way at this front door."""
    for key, count in requests.items():
        row = {"key": key, "door": door, "requests": count, "until": moment + LEASE}
        insert = insert_for(session, QuotaFlight).values(row)
        new = {name: insert.excluded[name] for name in ("requests", "until")}
        session.execute(insert.on_conflict_do_update(index_elements=["key", "door"], set_=new))


def land(session: Session, door: str, moment: float) -> None:
    """Forget what was under way here, and at front doors that are gone."""
    session.execute(delete(QuotaFlight).where((QuotaFlight.door == door) | (QuotaFlight.until < moment - LEASE)))


def _recall(session: Session, key: str, account: Account, limits: Limits, moment: float) -> None:
    """A limit of the day that is new counts what was used before it: that is known from the usage of the day."""
    day = int(moment // WINDOWS["day"])
    new = {name for name in limits if name.endswith("/day") and account.used.get(name, (0, 0))[0] != day}
    if new:
        before = usage.of_day(session, key, usage.day_of(moment))
        for name, used in (("requests/day", before.requests), ("tokens/day", before.tokens)):
            if name in new:
                account.used[name] = (day, used)
