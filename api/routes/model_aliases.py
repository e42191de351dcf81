"""Other names of models: what clients call them, with defaults of their own."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.deps import Admin, Door, Reader
from api.gateway import model_names
from api.schemas.aliases import AliasIn, AliasOut
from api.schemas.base import DeletedOut, Page
from shared import aliases
from shared.grants import may_use
from shared.tables import Alias, Model

router = APIRouter(prefix="/v1/models/aliases", tags=["models"])


@router.get("")
def list_aliases(door: Door, caller: Reader) -> Page[AliasOut]:
    """Those of models that the key may use, by name."""
    with door.read() as session:
        named = aliases.aliases(session)
        return Page(data=[_shown(alias, model) for alias, model in named if may_use(caller, model.name, alias.name)])


@router.put("/{name:path}")
def put(name: str, body: AliasIn, door: Door, caller: Admin) -> AliasOut:
    """Make an alias, or let it mean something else; 409 when a model has that name."""
    with door.write() as session:
        return _put(session, name, body, door.settings.default_model)


@router.delete("/{name:path}")
def remove(name: str, door: Door, caller: Admin) -> DeletedOut:
    """Forget an alias; its model stays."""
    with door.write() as session:
        aliases.remove(session, name)
    return DeletedOut(id=name, object="model_alias")


def _put(session: Session, name: str, body: AliasIn, default: str | None) -> AliasOut:
    """An alias of an alias means that one's model, with its defaults under the new ones."""
    found = model_names.find(session, body.model, default)
    defaults = {**found.defaults, **body.defaults()}
    return _shown(aliases.put(session, name, found.model, host=found.host, defaults=defaults), found.model)


def _shown(alias: Alias, model: Model) -> AliasOut:
    fields = dict(alias.defaults)
    return AliasOut(
        name=alias.name,
        model=model.name,
        host=alias.host,
        system=fields.pop("system", None),
        messages=fields.pop("messages", []),
        context=fields.pop("context", None),
        parameters=fields,
        created_at=alias.created_at,
    )
