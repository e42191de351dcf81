"""Anthropic's models: `GET /v1/models` and `/v1/models/{id}`, also under `/anthropic`.

Source: Anthropic's API reference, "Models". The paths without `/anthropic` are OpenAI's too: see `anthropic.address`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.deps import Door, Reader
from api.gateway import model_names
from shared import aliases, catalog
from shared.errors import InvalidParameters
from shared.grants import check_model, may_use
from shared.moments import rfc3339
from shared.tables import Model

router = APIRouter(prefix="/anthropic/v1/models", tags=["anthropic"])

#: A model under one of its names.
Named = tuple[str, Model]
Id = Annotated[str | None, Query(max_length=200)]


@router.get("")
@router.get("/", include_in_schema=False)
def list_models(
    door: Door,
    caller: Reader,
    after_id: Id = None,
    before_id: Id = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Models of a page.")] = 20,
) -> dict[str, Any]:
    """Those that the key may use, the newest first, in pages."""
    with door.read() as session:
        rows = [(row.name, row) for row in catalog.models(session)]
        rows += [(alias.name, row) for alias, row in aliases.aliases(session)]
        rows = [(name, row) for name, row in rows if may_use(caller, row.name, name)]
        rows.sort(key=lambda named: (-named[1].created_at, named[0]))
        shown, more = _page(rows, after_id, before_id, limit)
        data = [_model(row, name) for name, row in shown]
    ends = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"data": data, "has_more": more, "first_id": ends[0], "last_id": ends[1]}


@router.get("/{name:path}")
def show(name: str, door: Door, caller: Reader) -> dict[str, Any]:
    """One model, by any name that messages may ask for."""
    with door.read() as session:
        row = model_names.find(session, name, door.settings.default_model).model
        check_model(caller, row.name, name)
        return _model(row, row.name)


def _page(rows: Sequence[Named], after: str | None, before: str | None, limit: int) -> tuple[Sequence[Named], bool]:
    """Models beside the one that is named, and whether there are more on that side. Raises InvalidParameters."""
    if before:
        end = _place(rows, "before_id", before)
        return rows[max(end - limit, 0) : end], end > limit
    begin = _place(rows, "after_id", after) + 1 if after else 0
    return rows[begin : begin + limit], len(rows) > begin + limit


def _place(rows: Sequence[Named], field: str, name: str) -> int:
    for place, (known, _) in enumerate(rows):
        if known == name:
            return place
    raise InvalidParameters(f"{field} is wrong", f"there is no model {name!r}", "give an id of the list", field=field)


def _model(row: Model, name: str) -> dict[str, Any]:
    """What is not known of a model of ours is null, as the API says."""
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": rfc3339(int(row.created_at)),
        "max_input_tokens": row.context,
        "max_tokens": row.context,
        "capabilities": None,
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
    }
