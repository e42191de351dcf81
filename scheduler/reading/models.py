"""Models that are waited for: where they are installed, what was learned of them, where they are barred."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Text, bindparam, cast, select

from scheduler.reading.fetches import Fetches, read_fetches
from scheduler.views import ModelView
from shared.references import ModelRef
from shared.runs.learning import learned_mark, read_peaks
from shared.runs.quarantine import quarantine_mark, read_barred
from shared.runtimes import ModelShape
from shared.tables import Host, Install, Model
from shared.units import Bytes
from shared.vocabulary import Format, Provider

_model, _install, _host = Model.__table__.c, Install.__table__.c, Host.__table__.c

_MODELS = select(
    _model.id, _model.name, _model.format, _model.size, _model.context, cast(_model.shape, Text).label("shape_text"),
    _model.provider, _model.repo, _model.file, _model.revision, _model.digest,
).where(_model.id.in_(bindparam("ids", expanding=True)))  # fmt: skip
_INSTALLS = (
    select(
        _install.model_id, _install.host,
        (_host.peer_url.is_not(None) & (_host.seen_until > bindparam("moment"))).label("serves"),
    )
    .join(_host.name.table, _host.name == _install.host)
    .where(_install.model_id.in_(bindparam("ids", expanding=True)))
)  # fmt: skip

_NOWHERE: frozenset[str] = frozenset()

_model_shape = lru_cache(1024)(ModelShape.model_validate_json)


class Models:
    """Remembered between whole looks, for they seldom change and are wanted by every job.

    A lesson or a quarantine counts at the very next look: a run that died is placed again within milliseconds.
    """

    def __init__(self, *, fetch: bool = True) -> None:
        self._fetch = fetch
        self._known: dict[str, ModelView] = {}
        self._marks: tuple[object, object] = (None, None)

    def read(self, connection: Connection, ids: Collection[str], moment: float, *, whole: bool) -> dict[str, ModelView]:
        """Those of `ids` that are in the catalog at `moment`, by the database's clock; `whole` reads them anew."""
        marks = learned_mark(connection), quarantine_mark(connection)
        if whole or marks != self._marks:
            self._known.clear()
            self._marks = marks
        missing = [model_id for model_id in ids if model_id not in self._known]
        if missing:
            fetches = read_fetches(connection, moment) if self._fetch else None
            self._known.update(_read(connection, missing, fetches, moment))
        return {model_id: self._known[model_id] for model_id in ids if model_id in self._known}


def _read(connection: Connection, ids: list[str], fetches: Fetches | None, moment: float) -> dict[str, ModelView]:
    """`fetches`: `None` when models are to stay where they are."""
    installed: dict[str, set[str]] = {}
    served: set[str] = set()
    for model_id, host, serves in connection.execute(_INSTALLS, {"ids": ids, "moment": moment}):
        installed.setdefault(model_id, set()).add(host)
        if serves:
            served.add(model_id)
    peaks, barred = read_peaks(connection, ids), read_barred(connection, ids)
    views: dict[str, ModelView] = {}
    for row in connection.execute(_MODELS, {"ids": ids}):
        views[row.id] = ModelView(
            id=row.id,
            name=row.name,
            format=Format(row.format),
            size=Bytes(row.size),
            context=row.context,
            shape=_model_shape(row.shape_text),
            hosts=frozenset(installed.get(row.id, ())),
            quarantined=barred.get(row.id, {}),
            learned=peaks.get(row.id, ()),
            reference=_reference(row, served=row.id in served) if fetches is not None else None,
            coming=fetches.coming.get(row.id, _NOWHERE) if fetches is not None else _NOWHERE,
            queued=fetches.queued.get(row.id, _NOWHERE) if fetches is not None else _NOWHERE,
            tried=fetches.tried.get(row.id, _NOWHERE) if fetches is not None else _NOWHERE,
        )
    return views


def _reference(row: Row[*tuple[Any, ...]], *, served: bool) -> str | None:
    """The very same files. What was a path on a host comes from hosts alone: from one that is up, by its checksums."""
    if row.provider == Provider.HF:
        return str(ModelRef(provider=Provider.HF, repo=row.repo, file=row.file, revision=row.revision))
    if row.provider == Provider.URL:
        return str(ModelRef(provider=Provider.URL, repo=row.repo))
    return str(row.id) if served and row.digest is not None else None
