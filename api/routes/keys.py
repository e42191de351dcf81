"""API keys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, status
from starlette.responses import Response

from api.answers import as_json, page
from api.deps import Admin, Door
from api.schemas.base import Page
from api.schemas.keys import KeyChange, KeyCreated, KeyIn, KeyOut
from shared import keys, queues

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=status.HTTP_201_CREATED, response_model=KeyCreated)
def create(body: KeyIn, door: Door, caller: Admin) -> Response:
    """A new key, shown once."""
    fields = body.model_dump(exclude={"name", "role", "weight"})
    with door.write() as session:
        row, text = keys.create(session, body.name, body.role, **fields)
        if body.weight != 1.0:
            queues.put(session, f"key:{row.id}", {"weight": body.weight})
        shown = KeyCreated(key=text, **KeyOut.model_validate(row).model_dump())
    door.auth.callers.forget()
    return as_json(shown, status.HTTP_201_CREATED)


@router.get("")
def list_keys(door: Door, caller: Admin) -> Page[KeyOut]:
    """All keys, the newest first, without their secrets."""
    with door.read() as session:
        found = [KeyOut.model_validate(row) for row in keys.keys(session)]
    return page(found, len(found))


@router.patch("/{key_id}")
def change(key_id: str, body: KeyChange, door: Door, caller: Admin) -> KeyOut:
    """Change what a key, named by its id or prefix, may do; what it used so far counts."""
    fields: dict[str, Any] = body.model_dump(exclude_unset=True)
    weight = fields.pop("weight", None)
    with door.write() as session:
        row = keys.change(session, key_id, fields)
        if weight is not None:
            queues.put(session, f"key:{row.id}", {"weight": weight})
        shown = KeyOut.model_validate(row)
    door.auth.callers.forget()
    return shown


@router.delete("/{key_id}")
def revoke(key_id: str, door: Door, caller: Admin) -> KeyOut:
    """End a key, named by its id or prefix."""
    with door.write() as session:
        shown = KeyOut.model_validate(keys.revoke(session, key_id))
    door.auth.callers.forget()
    return shown
