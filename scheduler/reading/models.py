"""Models that are waited for: where they are installed, what was learned of them, where they are barred."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from sqlalchemy import Connection, Text, bindparam, cast, select

from scheduler.views import ModelView
from shared.runs.learning import learned_mark, read_peaks
from shared.runs.quarantine import quarantine_mark, read_barred
from shared.runtimes import ModelShape
from shared.tables import Install, Model
from shared.units import Bytes
from shared.vocabulary import Format

_model, _install = Model.__table__.c, Install.__table__.c

_MODELS = select(
    _model.id, _model.name, _model.format, _model.size, _model.context, cast(_model.shape, Text)
).where(_model.id.in_(bindparam("ids", expanding=True)))  # fmt: skip
_INSTALLS = select(_install.model_id, _install.host).where(_install.model_id.in_(bindparam("ids", expanding=True)))

_model_shape = lru_cache(1024)(ModelShape.model_validate_json)


class Models:
    """Remembered between whole looks, for they seldom change and are wanted by every job.

    A lesson or a quarantine counts at the very next look: a run that died is placed again within milliseconds.
    """

    def __init__(self) -> None:
        self._known: dict[str, ModelView] = {}
        self._marks: tuple[object, object] = (None, None)

    def read(self, connection: Connection, ids: Collection[str], *, whole: bool) -> dict[str, ModelView]:
        """Those of `ids` that are in the catalog; `whole` reads them anew."""
        marks = learned_mark(connection), quarantine_mark(connection)
        if whole or marks != self._marks:
            self._known.clear()
            self._marks = marks
        missing = [model_id for model_id in ids if model_id not in self._known]
        if missing:
            self._known.update(_read(connection, missing))
        return {model_id: self._known[model_id] for model_id in ids if model_id in self._known}


def _read(connection: Connection, ids: list[str]) -> dict[str, ModelView]:
    installed: dict[str, set[str]] = {}
    for model_id, host in connection.execute(_INSTALLS, {"ids": ids}):
        installed.setdefault(model_id, set()).add(host)
    peaks, barred = read_peaks(connection, ids), read_barred(connection, ids)
    return {
        model_id: ModelView(
            id=model_id,
            name=name,
            format=Format(packed),
            size=Bytes(size),
            context=context,
            shape=_model_shape(shape),
            hosts=frozenset(installed.get(model_id, ())),
            quarantined=barred.get(model_id, {}),
            learned=peaks.get(model_id, ()),
        )
        for model_id, name, packed, size, context, shape in connection.execute(_MODELS, {"ids": ids})
    }
