"""Other names of models: `gpt-4o` for what answers it here, with a host and with defaults of its own.

A model's own name always comes first, so an alias can hide none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from shared.db import now
from shared.errors import Conflict, InvalidParameters, NotFound
from shared.nearest import did_you_mean, nearest
from shared.tables import Alias, Model
from shared.upsert import insert_for

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}", re.ASCII)


def find(session: Session, name: str) -> Alias | None:
    """The alias of that name, whatever its letters' case; the exact one first."""
    same = func.lower(Alias.name) == func.lower(name)
    return session.scalar(select(Alias).where(same).order_by((Alias.name == name).desc(), Alias.name).limit(1))


def aliases(session: Session, model_id: str | None = None) -> list[tuple[Alias, Model]]:
    """All of them, or those of one model, by name, each with its model."""
    query = select(Alias, Model).join(Model, Model.id == Alias.model_id).order_by(Alias.name)
    if model_id is not None:
        query = query.where(Alias.model_id == model_id)
    return [(alias, model) for alias, model in session.execute(query)]


def put(
    session: Session, name: str, model: Model, *, host: str | None = None, defaults: Mapping[str, Any] | None = None
) -> Alias:
    """Make an alias, or let it mean another model from now on. Raises InvalidParameters, Conflict."""
    if _NAME.fullmatch(name) is None:
        raise InvalidParameters(
            f"{name!r} is no name of a model", "it has odd characters, or too many",
            "use letters, digits and . _ : / + -, beginning with a letter or digit", field="name",
        )  # fmt: skip
    if session.scalar(select(Model.id).where(func.lower(Model.name) == func.lower(name))) is not None:
        raise Conflict(f"There is a model named {name!r}", "an alias must not hide a model", "choose another name")
    values = {"model_id": model.id, "host": host, "defaults": dict(defaults or {})}
    session.execute(
        insert_for(session, Alias)
        .values(name=name, created_at=now(session), **values)
        .on_conflict_do_update(index_elements=[Alias.name], set_=values)
    )
    return session.get_one(Alias, name, populate_existing=True)


def remove(session: Session, name: str) -> None:
    """Forget an alias; its model stays. Raises NotFound."""
    alias = find(session, name)
    if alias is None:
        names = list(session.scalars(select(Alias.name)))
        raise NotFound(
            f"There is no alias {name!r}", did_you_mean(name, names), "see `cidermill models alias ls`",
            nearest=nearest(name, names),
        )  # fmt: skip
    session.execute(delete(Alias).where(Alias.name == alias.name))
