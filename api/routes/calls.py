"""What was asked of models through the gateway, request by request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import Door, Limit, Reader
from api.schemas.keys import CallOut, Listed
from shared import calls

router = APIRouter(prefix="/v1/calls", tags=["keys"])


@router.get("")
def list_calls(
    door: Door,
    caller: Reader,
    before: Annotated[int | None, Query(ge=0, lt=2**63, description="Only calls with a lower `seq`.")] = None,
    key: Annotated[str | None, Query(max_length=40, description="Id of a key.")] = None,
    model: Annotated[str | None, Query(max_length=200, description="As the client called it.")] = None,
    limit: Limit = 50,
) -> Listed[CallOut]:
    """The newest first; who is no admin sees only what the own key asked."""
    if caller.sees is not None:
        key = caller.sees
    door.meter.write()
    with door.read() as session:
        found = calls.listed(session, before=before, key=key, model=model, limit=limit)
        return Listed(data=[CallOut.model_validate(row) for row in found])
