"""Anthropic's models: `GET /v1/models` and `/v1/models/{id}`, also under `/anthropic`.

Source: Anthropic's API reference, "Models". The paths without `/anthropic` are OpenAI's too: see `anthropic.address`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.deps import Door, Reader
from api.gateway import model_names
from shared import catalog
from shared.errors import InvalidParameters
from shared.tables import Model

router = APIRouter(prefix="/anthropic/v1/models", tags=["anthropic"])

Id = Annotated[str | None, Query(max_length=200)]


@router.get("")
def list_models(
    door: Door,
    caller: Reader,
    after_id: Id = None,
    before_id: Id = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Models of a page.")] = 20,
) -> dict[str, Any]:
    """The newest first, in pages."""
    with door.read() as session:
        rows = sorted(catalog.models(session), key=lambda row: (-row.created_at, row.name))
        shown, more = _page(rows, after_id, before_id, limit)
        data = [_model(row) for row in shown]
    ends = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"data": data, "has_more": more, "first_id": ends[0], "last_id": ends[1]}


@router.get("/{name:path}")
def show(name: str, door: Door, caller: Reader) -> dict[str, Any]:
    """One model, by any name that messages may ask for."""
    with door.read() as session:
        return _model(model_names.find(session, name, door.settings.default_model).model)


def _page(rows: Sequence[Model], after: str | None, before: str | None, limit: int) -> tuple[Sequence[Model], bool]:
    """Models beside the one that is named, and whether there are more on that side. Raises InvalidParameters."""
    if before:
        end = _place(rows, "before_id", before)
        return rows[max(end - limit, 0) : end], end > limit
    begin = _place(rows, "after_id", after) + 1 if after else 0
    return rows[begin : begin + limit], len(rows) > begin + limit


def _place(rows: Sequence[Model], field: str, name: str) -> int:
    for place, row in enumerate(rows):
        if row.name == name:
            return place
    raise InvalidParameters(f"{field} is wrong", f"there is no model {name!r}", "give an id of the list", field=field)


def _model(row: Model) -> dict[str, Any]:
    """What is not known of a model of ours is null, as the API says."""
    created = datetime.fromtimestamp(row.created_at, UTC).replace(microsecond=0)
    return {
        "type": "model",
        "id": row.name,
        "display_name": row.name,
        "created_at": created.isoformat().replace("+00:00", "Z"),
        "max_input_tokens": row.context,
        "max_tokens": row.context,
        "capabilities": None,
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
    }
