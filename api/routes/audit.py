"""What admins did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import Admin, Door, Limit
from api.schemas.keys import AuditOut, Listed
from shared import audit

router = APIRouter(prefix="/v1/audit", tags=["keys"])


@router.get("")
def list_audit(
    door: Door,
    caller: Admin,
    before: Annotated[int | None, Query(ge=0, lt=2**63, description="Only entries with a lower `seq`.")] = None,
    key: Annotated[str | None, Query(max_length=40, description="Id of a key.")] = None,
    limit: Limit = 50,
) -> Listed[AuditOut]:
    """Everything that was changed with an admin's rights, or tried to be, but what models are asked; newest first."""
    with door.read() as session:
        return Listed(
            data=[AuditOut.model_validate(row) for row in audit.entries(session, before=before, key=key, limit=limit)]
        )
