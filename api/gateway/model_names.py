"""What clients call models: names, aliases, `model@host`, and Ollama's `model:tag` and `hf.co/org/name`.

What the catalog calls a model always comes first; the other readings are tried only when it knows no such name, so
that an ordinary request costs one query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.gateway.reading import want
from shared import aliases, catalog
from shared.errors import InvalidParameters
from shared.tables import Host, Model

#: The name of the model that answers those who name none.
DEFAULT = "default"
#: Where Ollama's clients say a model is from: the hub, or Ollama's library, which is what a plain name means there.
_SOURCE = re.compile(
    r"^(?:https?://)?(?:(?:hf\.co|huggingface\.co)/|(?:registry\.ollama\.ai/)?library/|registry\.ollama\.ai/)",
    re.IGNORECASE,
)
_LATEST = ":latest"
#: Letters of a name; addresses are the longest.
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Found:
    """The model that a client means."""

    model: Model
    #: The only host that may answer; `None`: any.
    host: str | None = None
    #: What requests under this name leave unsaid (`Alias.defaults`).
    defaults: Mapping[str, Any] = field(default_factory=dict)


def find(session: Session, name: str, default: str | None = None) -> Found:
    """The model called `name`; nothing and `default` mean `default`, a name by the settings.

    Raises NotFound with the nearest names, and InvalidParameters when no model is named and none is the default, or
    what is given can be the name of nothing.
    """
    _check(name)
    if found := _known(session, name or DEFAULT):
        return found
    if name not in ("", DEFAULT):
        return _otherwise(session, name)
    if default is None:
        raise InvalidParameters(
            "model is missing", "it names what answers, and no model is the default",
            "give model; see GET /v1/models, or set CIDERMILL_DEFAULT_MODEL", field="model",
        )  # fmt: skip
    return _known(session, default) or _otherwise(session, default)


def asked_for(asked: Mapping[str, Any]) -> str:
    """What a request calls its model, or that it names none. Raises InvalidParameters."""
    return want(asked, "model", str) or DEFAULT


def plain(name: str) -> str:
    """The name without what Ollama's clients put before names, and without `:latest`."""
    short = _SOURCE.sub("", name.strip())
    return short[: -len(_LATEST)] if short.lower().endswith(_LATEST) else short


def _check(name: str) -> None:
    """JSON has room for a null and for half a character; no database has, so that asking it would fail."""
    if len(name) > _LONGEST:
        raise InvalidParameters(
            "model is wrong", f"it has {len(name)} letters, and no name has more than {_LONGEST}", "see GET /v1/models",
            field="model",
        )  # fmt: skip
    if any(mark == "\0" or "\ud800" <= mark <= "\udfff" for mark in name):
        raise InvalidParameters(
            "model is wrong", "it holds a null or half a character, and no name does", "see GET /v1/models",
            field="model",
        )  # fmt: skip


def _otherwise(session: Session, name: str) -> Found:
    for reading in _readings(name):
        if found := _known(session, reading) or _of_host(session, reading) or _tagged(session, reading):
            return found
    raise catalog.no_such_model(session, name)


def _readings(name: str) -> Iterator[str]:
    yield name
    if (short := plain(name)) not in ("", name):
        yield short


def _known(session: Session, name: str) -> Found | None:
    if model := catalog.named(session, name):
        return Found(model)
    if alias := aliases.find(session, name):
        return Found(session.get_one(Model, alias.model_id), alias.host, alias.defaults)
    model = catalog.referenced(session, name)
    return Found(model) if model is not None else None


def _of_host(session: Session, name: str) -> Found | None:
    """`model@host`, when there is such a host: otherwise what follows the `@` is a revision."""
    rest, _, host = name.rpartition("@")
    if not rest or session.get(Host, host) is None:
        return None
    short = plain(rest)
    found = _known(session, rest) or _known(session, short) or _tagged(session, short)
    return replace(found, host=host) if found is not None else None


def _tagged(session: Session, name: str) -> Found | None:
    """`model:tag`, where every word of the tag, such as `8b` or `q4_K_M`, is in the name of the model or its file."""
    base, _, tag = name.rpartition(":")
    words = [_folded(word) for word in tag.split("-") if word]
    if not base or not words:
        return None
    for model in session.scalars(select(Model).order_by(Model.name)):
        said = _folded(f" {model.name} {model.repo} {model.file or ''} ")
        if base.lower() in _bases(model) and all(f"_{word}_" in said for word in words):
            return Found(model)
    return None


def _bases(model: Model) -> tuple[str, str]:
    """Its name without a tag of its own, with and without the organisation."""
    own = model.name.lower().partition(":")[0]
    return own, own.rpartition("/")[2]


def _folded(text: str) -> str:
    """Words with one underscore between them, however they were kept apart."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower())
