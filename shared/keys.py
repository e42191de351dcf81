"""API keys: `ck_<prefix>_<secret>`, of which only a hash is kept.

The secret has 256 random bits, so one SHA-256 is hash enough, and looking a digest up by its index gives away nothing:
who can choose digests cannot choose keys.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from shared.db import now
from shared.errors import NotFound
from shared.identifiers import new_id
from shared.tables import Key

_PREFIX = "ck"
#: Seconds between two notes of when a key was last used.
_TOUCH = 60.0


class Rank(IntEnum):
    """Roles in order: each may do what the ones before it may."""

    read = 1
    submit = 2
    admin = 3


@dataclass(frozen=True)
class Caller:
    """Who asks: a key, or whoever is on an open loopback (an empty `id`)."""

    id: str
    name: str
    rank: Rank


ANYONE = Caller(id="", name="loopback", rank=Rank.admin)


def digest(secret: str) -> str:
    """What is kept of a key or token."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(session: Session, name: str, role: str) -> tuple[Key, str]:
    """A new key and its text, which nobody can read again."""
    prefix = secrets.token_hex(4)
    text = f"{_PREFIX}_{prefix}_{secrets.token_urlsafe(32)}"
    moment = session.scalar(select(now(session))) or 0.0
    row = Key(id=new_id("key"), name=name, prefix=prefix, digest=digest(text), role=role, created_at=moment)
    session.add(row)
    session.flush()
    return row, text


def caller(session: Session, text: str) -> Caller | None:
    """Who holds this key; `None` when it is unknown or revoked."""
    row = session.scalar(select(Key).where(Key.digest == digest(text), Key.revoked_at.is_(None)))
    return Caller(row.id, row.name, Rank[row.role]) if row is not None else None


def touch(session: Session, key_id: str) -> None:
    """Note that a key is in use, to the minute."""
    moment = now(session)
    stale = Key.last_used_at.is_(None) | (Key.last_used_at < moment - _TOUCH)
    session.execute(update(Key).where(Key.id == key_id, stale).values(last_used_at=moment))


def revoke(session: Session, key_id: str) -> Key:
    """End a key, named by id or prefix. Raises NotFound; doing it twice is harmless."""
    row = session.scalar(select(Key).where((Key.id == key_id) | (Key.prefix == key_id)))
    if row is None:
        raise NotFound(f"There is no key {key_id}", "the id is wrong", "list them: cidermill keys ls")
    if row.revoked_at is None:
        row.revoked_at = session.scalar(select(now(session)))
        session.flush()
    return row


def keys(session: Session) -> list[Key]:
    """All keys, the newest first, revoked ones too."""
    return list(session.scalars(select(Key).order_by(Key.id.desc())))


def active(session: Session) -> int:
    """How many keys work."""
    return session.scalar(select(func.count()).select_from(Key).where(Key.revoked_at.is_(None))) or 0
