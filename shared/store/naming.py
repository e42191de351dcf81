"""Names for models: each is one model's, whatever its letters' case."""

from __future__ import annotations

from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.protocol import OURS, InstallRecord
from shared.tables import Alias, Model

#: What clients call the model that answers those who name none.
_DEFAULT = "default"
#: What Ollama's clients add to names.
_LATEST = ":latest"


def free_name(session: Session, source: InstallRecord | Model) -> str:
    """The name of `source`, or `name-2`, … when clients already mean something else by it.

    That is a name, id, alias or reference of another model, or `default`; and after an `@` they name a host. What
    another program of the host keeps is called as there: nobody who submits chose that.
    """
    name = source.name.replace("@", "-")
    taken = _called(session) | (_found_by(session) - _references(source.provider, source.repo, source.file))
    theirs = isinstance(source, InstallRecord) and source.source != OURS
    candidates = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(candidate for candidate in candidates if taken.isdisjoint(_said(candidate, theirs=theirs)))


def _said(name: str, *, theirs: bool) -> set[str]:
    """What clients write when they mean it, with and without what Ollama's add."""
    folded = name.casefold()
    return {folded} if theirs else {folded, folded.removesuffix(_LATEST)}


def _called(session: Session) -> set[str]:
    """Names, ids and aliases."""
    said = (said for column in (Model.name, Model.id, Alias.name) for said in session.scalars(select(column)))
    return {_DEFAULT, *(each.casefold() for each in said)}


def _found_by(session: Session) -> set[str]:
    """References by which models are found."""
    rows = session.execute(select(Model.provider, Model.repo, Model.file))
    return {reference for row in rows for reference in _references(*row)}


def _references(provider: str, repo: str, file: str | None) -> set[str]:
    """As people write where a model comes from; with a revision there is an `@`, which no name has."""
    short = [repo, f"{repo}:{file}"] if file is not None else [repo]
    return {each.casefold() for text in short for each in (text, f"{provider}:{text}")}
