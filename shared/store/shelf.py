"""A host's disk as the front door knows it: what lies there, what other programs keep there, what proved damaged."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shared import catalog
from shared.db import now
from shared.protocol import OURS
from shared.store.manifest import content_digest, manifest
from shared.store.wire import Found, Shelf, ShelfFile, ShelfModel, Verified
from shared.tables import Install, Model


def shelf(session: Session, host: str) -> Shelf:
    """Every model on the host, by name."""
    rows = session.execute(
        select(Model.name, Install)
        .join(Install, Install.model_id == Model.id)
        .where(Install.host == host)
        .order_by(Model.name)
    )
    return Shelf(
        models=[
            ShelfModel(
                model_id=install.model_id,
                name=name,
                path=install.path,
                source=install.source,
                files=[ShelfFile.model_validate(file) for file in install.files],
            )
            for name, install in rows
        ]
    )


def found(session: Session, host: str, said: Found) -> list[str]:
    """Enter what other programs keep on a host, forget what they no longer keep; the models' names, in order."""
    ids = catalog.register(session, host, said.models)
    foreign = [source for source in said.searched if source != OURS]
    gone = list(
        session.scalars(
            select(Install.model_id).where(
                Install.host == host, Install.source.in_(foreign), Install.model_id.not_in(ids)
            )
        )
    )
    session.execute(delete(Install).where(Install.host == host, Install.model_id.in_(gone)))
    rows = session.execute(select(Model.id, Model.name).where(Model.id.in_(ids)))
    names = {row.id: row.name for row in rows}
    return [names[model_id] for model_id in ids]


def verified(session: Session, host: str, said: Verified) -> None:
    """Note what the files really hold. A damaged install is forgotten, so that the next download mends it."""
    install = session.get(Install, (said.model_id, host), with_for_update=True)
    if install is None:
        return
    if said.damaged:
        session.delete(install)
        session.flush()
        return
    install.files = [file.model_dump() for file in said.files]
    session.flush()
    session.execute(
        update(Install).where(Install.model_id == said.model_id, Install.host == host).values(verified_at=now(session)),
        execution_options={"synchronize_session": False},
    )
    artifacts = manifest(install.files)
    session.execute(
        update(Model)
        .where(Model.id == said.model_id, Model.digest.is_(None))
        .values(artifacts=[one.model_dump(mode="json") for one in artifacts], digest=content_digest(artifacts))
    )
