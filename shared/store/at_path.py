"""Which model of the catalog a path on a host is.

Paths of two hosts have nothing to do with each other, so what lies at one is known by its content: a name never means
one thing on this host and another on that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shared.identifiers import new_id
from shared.protocol import InstallRecord
from shared.store import copies
from shared.store.naming import free_name
from shared.tables import Install, Model
from shared.upsert import insert_for
from shared.vocabulary import Provider


def settle(session: Session, host: str, record: InstallRecord) -> str | None:
    """The id of the model that a `local:` record of a host belongs to; `None`: nobody knew it.

    It is the one of the same content, else the one that lay there and has changed. Copies of what that was become a
    model of their own, and what else was thought to lie at this path of this host is forgotten.
    """
    rows = _at(session, record)
    model = next((row for row in rows if may_be(row.artifacts, record.files)), None)
    if model is None:
        model = next((row for row in rows if _is_original(session, host, record, row)), None)
        if model is not None:
            _part(session, model, host)
    others = [row.id for row in rows if row is not model]
    session.execute(
        delete(Install).where(Install.host == host, Install.path == record.path, Install.model_id.in_(others))
    )
    return model.id if model is not None else None


def may_be(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> bool:
    """Whether these can be the same files: as many, as large, and no checksum that contradicts."""
    here, there = _checksums(one), _checksums(other)
    if sorted(size for size, _ in here.values()) != sorted(size for size, _ in there.values()):
        return False
    if all(sha256 for _, sha256 in (*here.values(), *there.values())):
        return sorted(here.values()) == sorted(there.values())
    return not any(
        here[name][1] and there[name][1] and here[name] != there[name] for name in here.keys() & there.keys()
    )


def _checksums(files: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, str]]:
    return {str(file["name"]): (int(file["size"]), str(file.get("sha256") or "").lower()) for file in files}


def _at(session: Session, record: InstallRecord) -> Sequence[Model]:
    """Models from that path of any host, the one of that name first, then the newest."""
    return session.scalars(
        select(Model)
        .where(Model.provider == Provider.LOCAL, Model.repo == record.repo, Model.file.is_(None))
        .order_by((Model.name == record.name).desc(), Model.created_at.desc(), Model.id.desc())
    ).all()


def _is_original(session: Session, host: str, record: InstallRecord, model: Model) -> bool:
    """Whether the model is this host's: it lay there, or lies nowhere now, and what others have are copies of it."""
    installs = session.scalars(select(Install).where(Install.model_id == model.id)).all()
    own = [install for install in installs if install.host == host and install.path == record.path]
    others = [install for install in installs if install.host != host]
    return bool(own or not installs) and all(copies.is_copy(install.path, install.files) for install in others)


def _part(session: Session, model: Model, host: str) -> None:
    """What other hosts have stays what it is, under a name of its own."""
    outdated = (Install.model_id == model.id) & (Install.host != host)
    if session.scalar(select(Install.host).where(outdated).limit(1)) is None:
        return
    facts = {column.key: getattr(model, column.key) for column in Model.__table__.columns}
    old = {**facts, "id": new_id("model"), "name": free_name(session, model)}
    session.execute(insert_for(session, Model).values(old))
    session.execute(update(Install).where(outdated).values(model_id=old["id"]))
