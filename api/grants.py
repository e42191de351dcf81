"""Which models a key may ask for, by any of the names that clients use."""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.gateway.model_names import find
from shared import grants
from shared.keys import Caller


def check_model(session: Session, caller: Caller, name: str, default: str | None = None) -> None:
    """Raises Forbidden when the key may not use the model of that name, and NotFound when it asks which."""
    if caller.models is not None:
        grants.check_model(caller, find(session, name, default).model.name, name)
