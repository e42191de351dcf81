"""What keys used."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import StringConstraints

from api.answers import page
from api.deps import Door, Reader
from api.schemas.base import Page
from api.schemas.keys import UsageOut
from shared import usage
from shared.keys import Rank

router = APIRouter(prefix="/v1/usage", tags=["keys"])

Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


@router.get("")
def list_usage(
    door: Door,
    caller: Reader,
    since: Annotated[Day | None, Query(description="First day (UTC), as in 2026-11-21.")] = None,
    until: Annotated[Day | None, Query(description="Last day (UTC).")] = None,
    key: Annotated[str | None, Query(max_length=40, description="Id of a key.")] = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
    after: Annotated[str | None, Query(max_length=300, description="The last id of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Rows of a page.")] = 1000,
) -> Page[UsageOut]:
    """Per day, key and model, the newest day first; who is no admin sees only what the own key used."""
    if caller.rank < Rank.admin:
        key = caller.id
    door.meter.write()
    with door.read() as session:
        rows = usage.listed(session, since=since, until=until, key=key, model=model, after=after, limit=limit + 1)
        return page([UsageOut.model_validate(row) for row in rows], limit)
