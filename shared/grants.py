"""What a key may ask for: which models, how urgently, and whose files."""

from __future__ import annotations

from shared.errors import Forbidden
from shared.keys import Caller
from shared.vocabulary import Priority


def capped(caller: Caller, priority: Priority) -> Priority:
    """As urgent as was asked, but not more than the key may be."""
    return max(priority, caller.priority or priority, key=lambda each: each.rank)


def check_model(caller: Caller, model: str, called: str | None = None) -> None:
    """Raises Forbidden when the key may not use the model, by its own name or by what the caller calls it."""
    if caller.models is None or {model, called} & caller.models:
        return
    raise Forbidden(
        f"The key {caller.name!r} may not use {called or model}",
        f"it may use {', '.join(sorted(caller.models)) or 'no model'}",
        f"use another key, or allow it: cidermill keys set {caller.id} --model {model}",
    )
