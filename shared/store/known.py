"""What models consist of, as the catalog knows it: enough to fetch them from hosts that have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared import aliases, catalog
from shared.errors import InvalidParameters
from shared.references import ModelRef
from shared.store.manifest import content_digest, manifest, places
from shared.store.wire import KnownModel, ShelfFile, Sources
from shared.tables import Install, Model
from shared.vocabulary import Format, Provider


def known(session: Session, ask: Sources) -> list[KnownModel]:
    """Models from where `ask` says whose every file has a checksum, of one revision; the newest without one."""
    query = select(Model).where(Model.provider == ask.provider, Model.repo == ask.repo, Model.digest.is_not(None))
    if ask.revision is not None:
        query = query.where(Model.revision == ask.revision)
    models = list(session.scalars(query.order_by(Model.created_at.desc(), Model.id.desc())))
    found = [_described(session, model) for model in models if model.revision == models[0].revision]
    return [model for model in found if model is not None]


def by_reference(session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a download: a name, id or alias in place of a reference becomes where that model came from.

    A text that is a repository's name stays one, unless a model from elsewhere is called so.
    """
    model = _called(session, str(params.get("model", "")))
    if model is None or (model.provider == Provider.HF and _is_reference(str(params["model"]))):
        return dict(params)
    located = {**params, "model": catalog.reference_of(model)}
    if model.provider == Provider.LOCAL and model.digest is not None:
        # Its path may be another model's on the host that is to have it.
        located["digest"] = model.digest
    if model.provider == Provider.HF and model.file is None and not params.get("include"):
        located["include"] = [str(artifact["name"]) for artifact in model.artifacts]
    return located


def _called(session: Session, name: str) -> Model | None:
    model = catalog.named(session, name)
    if model is None and (alias := aliases.find(session, name)) is not None:
        model = session.get(Model, alias.model_id)
    return model if model is not None and model.format != Format.ECHO else None


def _is_reference(text: str) -> bool:
    try:
        ModelRef.parse(text)
    except InvalidParameters:
        return False
    return True


def _described(session: Session, model: Model) -> KnownModel | None:
    """Files under their published names; those of a `local:` model as a host that has it names them."""
    if model.provider != Provider.LOCAL:
        return _model(model, model.artifacts, None)
    rows = session.scalars(select(Install).where(Install.model_id == model.id).order_by(Install.host))
    install = next((row for row in rows if content_digest(manifest(row.files)) == model.digest), None)
    return _model(model, install.files, install.path) if install is not None else None


def _model(model: Model, files: list[Any], path: str | None) -> KnownModel:
    described = [ShelfFile.model_validate(file) for file in files]
    where = places(path, [file.name for file in described]) if path is not None else {}
    loaded = next((name for name, there in where.items() if path is not None and there == Path(path)), None)
    return KnownModel(name=model.name, revision=model.revision, files=described, loaded=loaded)
