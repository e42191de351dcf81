"""API keys."""

from __future__ import annotations

from fastapi import APIRouter, status
from starlette.responses import Response

from api.answers import as_json, page
from api.deps import Admin, Door
from api.schemas import KeyCreated, KeyIn, KeyOut, Page
from shared import keys

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=status.HTTP_201_CREATED, response_model=KeyCreated)
def create(body: KeyIn, door: Door, caller: Admin) -> Response:
    """A new key, shown once."""
    with door.write() as session:
        row, text = keys.create(session, body.name, body.role)
        shown = KeyCreated(key=text, **KeyOut.model_validate(row).model_dump())
    door.auth.callers.forget()
    return as_json(shown, status.HTTP_201_CREATED)


@router.get("")
def list_keys(door: Door, caller: Admin) -> Page[KeyOut]:
    """All keys, the newest first, without their secrets."""
    with door.read() as session:
        found = [KeyOut.model_validate(row) for row in keys.keys(session)]
    return page(found, len(found))


@router.delete("/{key_id}")
def revoke(key_id: str, door: Door, caller: Admin) -> KeyOut:
    """End a key, named by its id or prefix."""
    with door.write() as session:
        shown = KeyOut.model_validate(keys.revoke(session, key_id))
    door.auth.callers.forget()
    return shown
