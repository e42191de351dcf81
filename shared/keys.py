"""API keys: `ck_<prefix>_<secret>`, of which only a hash is kept.

The secret has 256 random bits, so one SHA-256 is hash enough, and looking a digest up by its index gives away nothing:
who can choose digests cannot choose keys.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from shared.db import clock_time, now
from shared.errors import Forbidden, NotFound
from shared.identifiers import new_id
from shared.tables import Key
from shared.token_digest import digest
from shared.vocabulary import Priority

_PREFIX = "ck"
_SECRET = re.compile(rf"({_PREFIX}_[0-9a-f]{{8}}_)[\w-]+")
#: Seconds between two notes of when a key was last used.
_TOUCH = 60.0


class Rank(IntEnum):
    """Roles in order: each may do what the ones before it may, but `worker`, which only lets hosts join."""

    worker = 0
    read = 1
    submit = 2
    admin = 3


@dataclass(frozen=True)
class Caller:
    """Who asks: a key, or whoever is on an open loopback (an empty `id`)."""

    id: str
    name: str
    rank: Rank
    #: Names of the models it may use; `None`: all.
    models: frozenset[str] | None = None
    #: The most urgent class its work may have; `None`: any.
    priority: Priority | None = None
    #: `shared.quotas.Limit` to number.
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def sees(self) -> str | None:
        """Whose files and batches it may use: its own; `None`: everybody's."""
        return None if self.rank == Rank.admin else self.id


ANYONE = Caller(id="", name="loopback", rank=Rank.admin)


def hidden(text: str) -> str:
    """The text with no more of the keys in it than tells which they are."""
    return _SECRET.sub(r"\1…", text)


def create(session: Session, name: str, role: str, **fields: Any) -> tuple[Key, str]:
    """A new key and its text, which nobody can read again; `fields` are other columns of the row."""
    prefix = secrets.token_hex(4)
    text = f"{_PREFIX}_{prefix}_{secrets.token_urlsafe(32)}"
    moment = clock_time(session)
    row = Key(id=new_id("key"), name=name, prefix=prefix, digest=digest(text), role=role, created_at=moment)
    _put(row, fields)
    session.add(row)
    session.flush()
    return row, text


def caller(session: Session, text: str) -> Caller | None:
    """Who holds this key; `None` when it is unknown, revoked or past its time."""
    row = session.scalar(select(Key).where(Key.digest == digest(text), Key.revoked_at.is_(None), _in_time(session)))
    return _as_caller(row) if row is not None else None


def holder(session: Session, key_id: str) -> Caller:
    """The caller behind work that was left to be done later, such as a schedule or a batch; empty: an open loopback.

    Raises Forbidden when the key does not work any more.
    """
    if not key_id:
        return ANYONE
    row = session.scalar(select(Key).where(Key.id == key_id, Key.revoked_at.is_(None), _in_time(session)))
    if row is None:
        raise Forbidden(
            "The key behind this does not work any more",
            f"{key_id} was revoked, or its time is over",
            "submit it again with another key",
        )
    return _as_caller(row)


def touch(session: Session, key_id: str) -> None:
    """Note that a key is in use, to the minute."""
    moment = now(session)
    stale = Key.last_used_at.is_(None) | (Key.last_used_at < moment - _TOUCH)
    session.execute(update(Key).where(Key.id == key_id, stale).values(last_used_at=moment))


def find(session: Session, key_id: str) -> Key:
    """A key by id or prefix. Raises NotFound."""
    row = session.scalar(select(Key).where((Key.id == key_id) | (Key.prefix == key_id)))
    if row is None:
        raise NotFound(f"There is no key {key_id}", "the id is wrong", "list them: cidermill keys ls")
    return row


def change(session: Session, key_id: str, fields: Mapping[str, Any]) -> Key:
    """Give a key, named by id or prefix, other values of these columns. Raises NotFound."""
    row = find(session, key_id)
    _put(row, fields)
    session.flush()
    return row


def revoke(session: Session, key_id: str) -> Key:
    """End a key, named by id or prefix. Raises NotFound; doing it twice is harmless."""
    row = find(session, key_id)
    if row.revoked_at is None:
        row.revoked_at = clock_time(session)
        session.flush()
    return row


def keys(session: Session) -> list[Key]:
    """All keys, the newest first, revoked ones too."""
    return list(session.scalars(select(Key).order_by(Key.id.desc())))


def active(session: Session) -> int:
    """How many keys work."""
    return session.scalar(select(func.count()).select_from(Key).where(Key.revoked_at.is_(None), _in_time(session))) or 0


def _as_caller(row: Key) -> Caller:
    models = frozenset(row.models) if row.models is not None else None
    return Caller(row.id, row.name, Rank[row.role], models, row.priority, row.limits)


def _in_time(session: Session) -> ColumnElement[bool]:
    return Key.expires_at.is_(None) | (Key.expires_at > now(session))


def _put(row: Key, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
