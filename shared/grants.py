"""What a key may ask for: which models, how urgently, and from where."""

from __future__ import annotations

from shared.downloads.addresses import is_loopback
from shared.errors import Forbidden, InvalidParameters
from shared.keys import Caller, Rank
from shared.references import ModelRef
from shared.vocabulary import Priority, Provider


def capped(caller: Caller, priority: Priority) -> Priority:
    """As urgent as was asked, but not more than the key may be."""
    return max(priority, caller.priority or priority, key=lambda each: each.rank)


def may_use(caller: Caller, model: str, called: str | None = None) -> bool:
    """Whether the key may use the model, by its own name or by what the caller calls it."""
    return caller.models is None or bool({model, called} & caller.models)


def check_model(caller: Caller, model: str, called: str | None = None) -> None:
    """Raises Forbidden when the key may not use the model."""
    if may_use(caller, model, called):
        return
    raise Forbidden(
        f"The key {caller.name!r} may not use {called or model}",
        f"it may use {', '.join(sorted(caller.models or ())) or 'no model'}",
        f"use another key, or allow it: cidermill keys set {caller.id} --model {model}",
    )


def check_owner(caller: Caller, owner: str, what: str) -> None:
    """Raises Forbidden when who is no admin would change what another key made; `what` names it for people."""
    if caller.sees not in (None, owner):
        raise Forbidden(
            f"This {what} is another key's",
            "it was not made with the key you sent",
            "use the key it was made with, or an admin's",
        )


def check_source(caller: Caller, model: str) -> None:
    """Raises Forbidden when who is no admin would have a host look at its own disk, or ask servers only it reaches."""
    if caller.rank != Rank.admin and is_guarded(model):
        raise Forbidden(
            f"The key {caller.name!r} may not install {model}",
            "what lies on a host, or only it reaches, may be more than models: that is for admins",
            "ask an admin to install it, or name a model of the hub or a public address",
        )


def is_guarded(model: str) -> bool:
    """Whether only admins may install it: it lies on a host's own disk, or on a server that only the host reaches."""
    try:
        reference = ModelRef.parse(model)
    except InvalidParameters:
        return False
    return reference.provider is Provider.LOCAL or (reference.provider is Provider.URL and is_loopback(reference.repo))
