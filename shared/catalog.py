"""The catalog: which models there are, on which hosts' disks they lie, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from shared import aliases
from shared.db import now
from shared.errors import InvalidParameters, NotFound
from shared.identifiers import new_id
from shared.nearest import did_you_mean, nearest
from shared.projector import is_projector
from shared.protocol import OURS, InstallRecord
from shared.references import ModelRef
from shared.runtimes import InstalledModel, ModelShape
from shared.store import at_path
from shared.store.manifest import content_digest, manifest
from shared.store.naming import free_name
from shared.tables import Alias, Install, Model, Run, is_live_run
from shared.units import Bytes
from shared.upsert import insert_for
from shared.vocabulary import Capability, Format, Provider, RunState

ECHO = "echo"
_ECHO_CAPABILITIES = [Capability.GENERATE, Capability.EMBED, Capability.TRANSCRIBE]


#: Built once: every submit asks it.
_NAMED = (
    select(Model)
    .where(
        (Model.name == bindparam("name"))
        | (Model.id == bindparam("name"))
        | (func.lower(Model.name) == func.lower(bindparam("name")))
    )
    .order_by((Model.name == bindparam("name")).desc(), Model.name)
    .limit(1)
)


# --- finding -----------------------------------------------------------------------------------


def find(session: Session, name: str) -> Model:
    """The model of that name, id, alias or reference. Raises NotFound with the nearest names."""
    model = named(session, name)
    if model is None and (alias := aliases.find(session, name)) is not None:
        model = session.get(Model, alias.model_id)
    if model is None:
        model = referenced(session, name)
    if model is None:
        raise no_such_model(session, name)
    return model


def named(session: Session, name: str) -> Model | None:
    """The model of that name or id."""
    return session.scalar(_NAMED, {"name": name})


def referenced(session: Session, text: str) -> Model | None:
    """The model that came from there."""
    try:
        reference = ModelRef.parse(text)
    except InvalidParameters:
        return None
    query = select(Model).where(Model.provider == reference.provider, Model.repo == reference.repo)
    if reference.file is not None:
        query = query.where(Model.file == reference.file)
    if reference.revision is not None:
        query = query.where(Model.revision == reference.revision)
    return session.scalar(query.order_by(Model.created_at.desc(), Model.id.desc()).limit(1))


def no_such_model(session: Session, name: str) -> NotFound:
    """The error that says so, with the nearest names."""
    names = [*session.scalars(select(Model.name)), *session.scalars(select(Alias.name))]
    close = nearest(name, names)
    return NotFound(
        f"There is no model {name!r}",
        f"the catalog has no such name or reference; {did_you_mean(name, names)}",
        "see `cidermill models ls`, or install it: cidermill models pull " + (name if "/" in name else "org/name"),
        nearest=close,
        model=name,
    )


def installed(model: Model, install: Install | None) -> InstalledModel:
    """The model as a host has it; without an install its path is empty."""
    return InstalledModel(
        id=model.id,
        name=model.name,
        format=Format(model.format),
        path=install.path if install is not None else "",
        size=Bytes(model.size),
        context=model.context,
        capabilities=tuple(Capability(word) for word in model.capabilities),
        shape=ModelShape.model_validate(model.shape),
    )


def on_host(session: Session, model_ids: Sequence[str], host: str) -> dict[str, InstalledModel]:
    """Models by id with their path on one host; those that are not there have no path."""
    rows = session.execute(
        select(Model, Install)
        .outerjoin(Install, (Install.model_id == Model.id) & (Install.host == host))
        .where(Model.id.in_(model_ids))
    )
    return {model.id: installed(model, install) for model, install in rows}


def reference_of(model: Model) -> str:
    """Where it comes from, as people write it; `echo` comes with Cidermill."""
    if model.format == Format.ECHO:
        return model.name
    return str(ModelRef(provider=Provider(model.provider), repo=model.repo, file=model.file, revision=model.revision))


# --- keeping -----------------------------------------------------------------------------------


def add_builtin(session: Session) -> None:
    """The scripted `echo` model is there from the start, on every host."""
    values = {
        "id": ECHO, "name": ECHO, "provider": Provider.LOCAL, "repo": ECHO, "format": Format.ECHO, "size": 0,
        "capabilities": [str(word) for word in _ECHO_CAPABILITIES], "shape": {}, "created_at": now(session),
    }  # fmt: skip
    session.execute(insert_for(session, Model).values(values).on_conflict_do_nothing())


def register(session: Session, host: str, records: Sequence[InstallRecord]) -> list[str]:
    """Enter models that are on a host now, and return their ids; those known already are brought up to date."""
    return [_register(session, host, record) for record in records]


def _register(session: Session, host: str, record: InstallRecord) -> str:
    model_id = _known(session, host, record)
    if model_id is not None:
        record = _with_known_checksums(session, model_id, host, record)
        session.execute(update(Model).where(Model.id == model_id).values(_news(session, model_id, host, record)))
    else:
        model_id = _same_content(session, host, record) or _enter(session, record)
    _upsert_install(session, model_id, host, record)
    return model_id


def _known(session: Session, host: str, record: InstallRecord) -> str | None:
    if record.provider == Provider.LOCAL:
        return at_path.settle(session, host, record)
    same_file = Model.file.is_(None) if record.file is None else Model.file == record.file
    return session.scalar(
        select(Model.id)
        .where(Model.provider == record.provider, Model.repo == record.repo, same_file)
        .where(or_(Model.revision == record.revision, Model.name == record.name))
        .order_by((Model.name == record.name).desc(), Model.created_at.desc())
        .limit(1)
    )


def _with_known_checksums(session: Session, model_id: str, host: str, record: InstallRecord) -> InstallRecord:
    """What was read once need not be read again: a file of the same name and size keeps its checksum."""
    install = session.get(Install, (model_id, host))
    if install is None or install.path != record.path:
        return record
    known = {(file["name"], file["size"]): file.get("sha256") for file in install.files}
    files = [{**f, "sha256": f.get("sha256") or known.get((f["name"], f["size"]))} for f in record.files]
    return record.model_copy(update={"files": files})


def _same_content(session: Session, host: str, record: InstallRecord) -> str | None:
    """A model whose very bytes another program keeps on this host, when the host has no other copy of it."""
    digest = content_digest(manifest(record.files))
    if record.source == OURS or digest is None:
        return None
    here = select(Install.model_id).where(Install.host == host)
    return session.scalar(
        select(Model.id).where(Model.digest == digest, Model.id.not_in(here)).order_by(Model.created_at).limit(1)
    )


def _enter(session: Session, record: InstallRecord) -> str:
    model_id = new_id("model")
    values = {
        "id": model_id, "name": free_name(session, record), "provider": record.provider, "repo": record.repo,
        "file": record.file, "created_at": now(session), **_facts(record),
    }  # fmt: skip
    session.execute(insert_for(session, Model).values(values))
    return model_id


def _facts(record: InstallRecord) -> dict[str, Any]:
    return {
        "revision": record.revision,
        "format": record.format,
        "size": record.size,
        "context": record.context,
        "capabilities": [str(word) for word in record.capabilities],
        "shape": record.shape.model_dump(mode="json", exclude_defaults=True),
        **_contents(record),
    }


def _news(session: Session, model_id: str, host: str, record: InstallRecord) -> dict[str, Any]:
    """Files that nobody has read yet take nothing from what is known of the same content.

    Nor does a host that lacks the projector from a model that sees on another one.
    """
    facts = _facts(record)
    known = session.get_one(Model, model_id)
    if Capability.VISION not in record.capabilities and _sees_elsewhere(session, known, host, record.revision):
        return {"revision": record.revision}
    if facts["digest"] is None and known.digest is not None and at_path.may_be(known.artifacts, record.files):
        return {key: fact for key, fact in facts.items() if key not in ("artifacts", "digest")}
    return facts


def _sees_elsewhere(session: Session, model: Model, host: str, revision: str | None) -> bool:
    if Capability.VISION not in model.capabilities or model.revision != revision:
        return False
    others = session.scalars(select(Install.files).where(Install.model_id == model.id, Install.host != host))
    return any(is_projector(str(file["name"])) for files in others for file in files)


def _contents(record: InstallRecord) -> dict[str, Any]:
    artifacts = manifest(record.files)
    return {"artifacts": [one.model_dump(mode="json") for one in artifacts], "digest": content_digest(artifacts)}


def _upsert_install(session: Session, model_id: str, host: str, record: InstallRecord) -> None:
    """What lay there before anybody downloaded it keeps its owner: it is not ours to delete."""
    found = {"path": record.path, "size": record.size, "files": record.files, "installed_at": now(session)}
    session.execute(
        insert_for(session, Install)
        .values({"model_id": model_id, "host": host, "source": record.source, **found})
        .on_conflict_do_update(index_elements=[Install.model_id, Install.host], set_=found)
    )


def note_use(session: Session, model_id: str, host: str, moment: float) -> None:
    """A run of the model ended on the host: when it was last used outlives the run's row."""
    session.execute(
        update(Install).where(Install.model_id == model_id, Install.host == host).values(last_used_at=moment),
        execution_options={"synchronize_session": False},
    )
    session.execute(
        update(Model).where(Model.id == model_id).values(last_used_at=moment),
        execution_options={"synchronize_session": False},
    )


# --- lists -------------------------------------------------------------------------------------


def models(session: Session) -> list[Model]:
    """All of them, by name."""
    return list(session.scalars(select(Model).order_by(Model.name)))


def installs(session: Session, model_ids: Sequence[str]) -> dict[str, list[Install]]:
    """Where each of these models lies, by model id."""
    found: dict[str, list[Install]] = {}
    for row in session.scalars(select(Install).where(Install.model_id.in_(model_ids)).order_by(Install.host)):
        found.setdefault(row.model_id, []).append(row)
    return found


def files_on(session: Session, host: str, repo: str, commit: str) -> set[tuple[str, int]]:
    """Files of a repository of the hub at a commit that lie on a host, by name and size."""
    installs = session.scalars(
        select(Install.files)
        .join(Model, Model.id == Install.model_id)
        .where(Install.host == host, Model.provider == Provider.HF, Model.repo == repo, Model.revision == commit)
    )
    return {(str(file["name"]), int(file["size"])) for files in installs for file in files}


def ready_hosts(session: Session) -> dict[str, list[str]]:
    """Hosts where a run is ready, by model id."""
    ready = select(Run.model_id, Run.host).where(is_live_run, Run.state == RunState.READY).distinct()
    rows = session.execute(ready)
    found: dict[str, list[str]] = {}
    for model_id, host in rows:
        found.setdefault(model_id, []).append(host or "")
    return {model_id: sorted(hosts) for model_id, hosts in found.items()}


def same_content(session: Session, model: Model) -> list[str]:
    """Other names of the very same bytes."""
    if model.digest is None:
        return []
    others = select(Model.name).where(Model.digest == model.digest, Model.id != model.id).order_by(Model.name)
    return list(session.scalars(others))


def users(session: Session, model_id: str) -> list[str]:
    """Runs that have the model loaded, or are about to."""
    return list(session.scalars(select(Run.id).where(is_live_run, Run.model_id == model_id).order_by(Run.id)))
