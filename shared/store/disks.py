"""The room that each host's disk has for a model, read from the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from shared.downloads.room import LEAST_RESERVE
from shared.errors import InvalidParameters
from shared.references import ModelRef
from shared.store.disk_room import DiskRoom
from shared.store.leaving import deletable
from shared.store.promised import read_awaited, read_promised
from shared.tables import Host, Install, Model
from shared.vocabulary import Provider


@dataclass(frozen=True)
class Wanted:
    """What a download of a model brings."""

    reference: ModelRef
    #: Names of files with their sizes in bytes.
    files: frozenset[tuple[str, int]]


def of_model(model: Model) -> Wanted:
    """Of a model of the catalog, by its manifest."""
    reference = ModelRef(provider=Provider(model.provider), repo=model.repo, file=model.file, revision=model.revision)
    return Wanted(reference, frozenset((str(one["name"]), int(one["size"])) for one in model.artifacts))


def disk_rooms(
    session: Session, wanted: Wanted, hosts: Iterable[Host], there: Collection[str] = ()
) -> dict[str, DiskRoom]:
    """By host; `there` have the model. Files of the same commit that another model brought need not come again."""
    held, at_work = _held(session, wanted), read_promised(session.connection())
    promised = _promised(session.connection(), at_work, wanted)

    def need(host: str) -> int:
        """What comes there already has some of its bytes there."""
        missing = sum(size for _, size in wanted.files - held.get(host, set()))
        coming = [size for model, size in at_work.get(host, {}).items() if _is_same(model, wanted)]
        return 0 if host in there else min([missing, *coming])

    rooms = {
        host.name: DiskRoom(
            host=host.name,
            need=need(host.name),
            free=host.disk_free,
            reserve=_reserve(host),
            promised=promised.get(host.name, 0),
        )
        for host in hosts
    }
    freed = deletable(session, {name: room.wanted_free for name, room in rooms.items() if not room.fits})
    return {name: replace(room, deletable=freed.get(name, 0)) for name, room in rooms.items()}


def _reserve(host: Host) -> int:
    """As its agent says; one that does not keeps the least."""
    said = host.telemetry.get("disk_reserve")
    return int(said) if said is not None else LEAST_RESERVE


def _held(session: Session, wanted: Wanted) -> dict[str, set[tuple[str, int]]]:
    source = wanted.reference
    if source.provider is not Provider.HF or source.revision is None:
        return {}
    rows = session.execute(
        select(Install.host, Install.files)
        .join(Model, Model.id == Install.model_id)
        .where(Model.provider == Provider.HF, Model.repo == source.repo, Model.revision == source.revision)
    )
    held: dict[str, set[tuple[str, int]]] = {}
    for host, files in rows:
        held.setdefault(host, set()).update((str(file["name"]), int(file["size"])) for file in files)
    return held


def _promised(connection: Connection, at_work: Mapping[str, Mapping[str, int]], wanted: Wanted) -> dict[str, int]:
    """What downloads of other models, at work or waiting for a host by name, will fill there."""
    awaited = read_awaited(connection)
    return {
        host: sum(
            max(at_work.get(host, {}).get(model, 0), awaited.get(host, {}).get(model, 0))
            for model in at_work.get(host, {}).keys() | awaited.get(host, {}).keys()
            if not _is_same(model, wanted)
        )
        for host in at_work.keys() | awaited.keys()
    }


def _is_same(model: str, wanted: Wanted) -> bool:
    try:
        reference = ModelRef.parse(model)
    except InvalidParameters:
        return False
    source = wanted.reference
    return (reference.provider, reference.repo) == (source.provider, source.repo)
