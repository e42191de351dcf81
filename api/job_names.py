"""What submitted jobs call their model: any name that the gateway knows, an alias's host and defaults with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from api.gateway import model_names
from api.gateway.defaults import CONTEXT, SYSTEM
from api.gateway.model_names import Found
from shared.errors import InvalidParameters, NotFound
from shared.jobs.intake import Submission
from shared.kinds import kinds
from shared.kinds.download import Download


def resolved(session: Session, submissions: Iterable[Submission], default: str | None) -> list[Submission]:
    """The same under the catalog's names; what names no model is asked of `default`, a name by the settings.

    A name that nobody knows stays: whoever checks the parameters says why it is wrong.
    """
    known: dict[str, Found | None] = {}

    def find(name: str) -> Found | None:
        if name not in known:
            try:
                known[name] = model_names.find(session, name, default)
            except (NotFound, InvalidParameters):
                known[name] = None
        return known[name]

    return [_resolved(each, find(name)) if (name := _name(each, default)) else each for each in submissions]


def _name(submission: Submission, default: str | None) -> str | None:
    """What it calls its model; `None` when it asks none, or installs one."""
    kind = kinds().get(submission.kind)
    if kind is None or kind is Download or "model" not in kind.model_fields:
        return None
    name = submission.params.get("model", model_names.DEFAULT if default is not None else None)
    return name if isinstance(name, str) else None


def _resolved(submission: Submission, found: Found | None) -> Submission:
    if found is None:
        return submission
    params: dict[str, Any] = {**submission.params, "model": found.model.name}
    fields = kinds()[submission.kind].model_fields
    if found.host is not None and "host" in fields:
        params.setdefault("host", found.host)
    unsaid = {name: value for name, value in found.defaults.items() if name not in (SYSTEM, CONTEXT)}
    given = params.get("defaults", {})
    if unsaid and "defaults" in fields and isinstance(given, dict):
        params["defaults"] = unsaid | given
    return replace(submission, params=params)
