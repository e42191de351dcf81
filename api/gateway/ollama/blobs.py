"""Bytes that clients sent under their checksum, until a model is made of them.

A model lies on the front door's own machine then, as a file beside the file store; its bytes are not copied where the
disk can give them a second name.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import FrontDoor
from shared import catalog, files
from shared.errors import InvalidParameters, NoCapacity, NotFound
from shared.identifiers import new_id
from shared.settings import Settings
from shared.tables import File, Model
from shared.vocabulary import Provider

PURPOSE = "blob"


@dataclass(frozen=True, slots=True)
class Placed:
    """What lies where a model can stay; another that is placed there later is another file."""

    path: Path
    #: Its device and its number there.
    file: tuple[int, int]


def find(session: Session, sha256: str) -> File | None:
    """The blob with that checksum."""
    wanted = (File.sha256 == sha256, File.purpose == PURPOSE)
    return session.scalar(select(File).where(*wanted).order_by(File.id).limit(1))


def place(door: FrontDoor, session: Session, digest: str, name: str) -> tuple[File, Placed]:
    """Put a blob where a model can stay, called `name`; the blob and what lies there. Raises NotFound, NoCapacity."""
    blob = find(session, digest.removeprefix("sha256:"))
    if blob is None:
        raise NotFound(f"There is no blob {digest}", "it was not sent", f"send it: POST /api/blobs/{digest}")
    source = door.store.local_path(blob.id)
    if source is None:
        raise InvalidParameters(
            "Models cannot be made of files here", "the file store is not on the front door's own disk",
            "install it where it lies: cidermill models pull local:/path/to/model.gguf", field="files",
        )  # fmt: skip
    model = catalog.named(session, name)
    known = made_here(door.settings, model) if model is not None else None
    target = known or _folder(door.settings) / f"{quote(name.lower(), safe='+')}.gguf"
    try:
        if known is not None:
            _set_aside(known)
        file = _give_name(source, target)
    except OSError as error:
        why = error.strerror or str(error)
        raise NoCapacity("The model cannot be put in its place", why, f"free some space for {target.parent}") from error
    return blob, Placed(target, file)


def spend(door: FrontDoor, blob_id: str, placed: Placed) -> None:
    """A model was made of it: the blob is no longer needed, nor what the model was made of before."""
    _aside(placed.path).unlink(missing_ok=True)
    with door.write() as session, suppress(NotFound):
        files.remove(session, blob_id)
    door.store.remove(blob_id)


def take_back(door: FrontDoor, placed: Placed) -> None:
    """No model was made of what was put there: one that was made before has its own file again.

    The blob stays and may be tried again.
    """
    path = placed.path
    with door.read() as session:
        made = session.scalar(
            select(Model.id).where(Model.provider == Provider.LOCAL, Model.repo == str(path)).limit(1)
        )
    with suppress(FileNotFoundError):
        if _identity(path) != placed.file:
            return
        if made is not None:
            _aside(path).replace(path)
        else:
            path.unlink()


def forget(path: Path) -> None:
    """The model that was made of the file is gone."""
    for each in (path, _aside(path)):
        each.unlink(missing_ok=True)


def made_here(settings: Settings, model: Model) -> Path | None:
    """The file that was made for a model, which is gone with it."""
    path = Path(model.repo)
    return path if model.provider == Provider.LOCAL and path.parent == _folder(settings) else None


def _folder(settings: Settings) -> Path:
    return settings.data_dir.absolute() / "created"


def _set_aside(path: Path) -> None:
    """Keep what a model is made of until it is made anew; what is kept already was its last that was good."""
    if path.exists() and not _aside(path).exists():
        _give_name(path, _aside(path))


def _aside(path: Path) -> Path:
    return path.with_suffix(".before")


def _give_name(source: Path, target: Path) -> tuple[int, int]:
    """At once, so that a run which has the old file open keeps that; which file it is now."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Another model of this name may be made at the same time.
    part = target.with_name(new_id("part"))
    try:
        _link(source, part)
        identity = _identity(part)
        part.replace(target)
    finally:
        # Where both are names of one file, it has kept both.
        part.unlink(missing_ok=True)
    return identity


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
