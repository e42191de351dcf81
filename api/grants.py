"""What a key may ask for: which models, and how urgently."""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.gateway.model_names import find
from shared.errors import Forbidden
from shared.jobs.service import Prepared
from shared.keys import Caller
from shared.vocabulary import Priority


def check_model(session: Session, caller: Caller, name: str, default: str | None = None) -> None:
    """Raises Forbidden when the key may not use the model of that name, and NotFound when it asks which."""
    if caller.models is None:
        return
    model = find(session, name, default).model.name
    if not {name, model} & caller.models:
        raise Forbidden(
            f"The key {caller.name!r} may not use {name}",
            f"it may use {', '.join(sorted(caller.models)) or 'no model'}",
            f"use another key, or allow it: cidermill keys set {caller.id} --model {model}",
        )


def capped(caller: Caller, priority: Priority) -> Priority:
    """As urgent as was asked, but not more than the key may be."""
    return max(priority, caller.priority or priority, key=lambda each: each.rank)


def grant(session: Session, caller: Caller, prepared: Prepared) -> None:
    """Hold prepared jobs to what their key may. Raises Forbidden."""
    for row in prepared.rows:
        if row["model"] is not None:
            check_model(session, caller, row["model"])
        row["priority"] = capped(caller, row["priority"])
        row["rank"] = row["priority"].rank
