"""Names for models: each is one model's."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.tables import Alias, Model


def free_name(session: Session, name: str) -> str:
    """`name`, or `name-2`, … when another model has it, or is called so."""
    taken = {
        other
        for column in (Model.name, Alias.name)
        for other in session.scalars(select(column).where(column.startswith(name, autoescape=True)))
    }
    candidates = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)
