"""Big inputs and outputs: bytes in a store that `fsspec` reaches, facts in a row.

Nothing here trusts a name: bytes lie under the file's id, in a folder of its last two letters, and are moved there only
when they are whole. A mark lies beside them, without which the store counts as away: an empty folder may be where its
disk was, and nobody may take the bytes for gone then.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from shared.db import Database, clock_time, now
from shared.errors import NoCapacity, NotFound, PayloadTooLarge, Unavailable
from shared.identifiers import new_id
from shared.tables import File
from shared.units import Bytes, format_bytes

CHUNK = 1024 * 1024
#: For what the front door writes itself: that which it is made of was limited before.
NO_LIMIT = Bytes(1 << 62)
#: The purpose of files that a batch makes for its jobs.
PART = "batch_part"
_NAME_LENGTH = 255
#: Letters of an id that name its folder.
_FOLDER_LENGTH = 2
_MARK = ".cidermill"
_MARK_SAYS = b"Cidermill keeps files here. Without this mark it takes the store for one that is away.\n"


@dataclass(frozen=True)
class Stored:
    """Bytes that are whole and in their place, not yet known to the database."""

    id: str
    size: int
    sha256: str


class Sink:
    """Takes a file piece by piece, hashing as it goes; `keep` puts it in its place, `discard` forgets it."""

    def __init__(self, store: FileStore, limit: Bytes) -> None:
        self._store = store
        self._limit = limit
        self._id = new_id("file")
        self._hash = hashlib.sha256()
        self._size = 0
        self._part = store.path(self._id) + ".part"
        self._file = store.create(self._part)

    def write(self, piece: bytes) -> None:
        """Raises PayloadTooLarge past the limit and NoCapacity when the disk is full; then it is discarded."""
        self._size += len(piece)
        if self._size > self._limit:
            self.discard()
            raise too_large(self._limit)
        self._hash.update(piece)
        try:
            self._file.write(piece)
        except OSError as error:
            self.discard()
            raise _no_room(error) from error

    def keep(self) -> Stored:
        """Raises NoCapacity when the last bytes find no room."""
        try:
            self._file.close()
            self._store.move(self._part, self._store.path(self._id))
        except OSError as error:
            self.discard()
            raise _no_room(error) from error
        return Stored(self._id, self._size, self._hash.hexdigest())

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._store.forget(self._part)


class FileStore:
    """Where bytes are: a local folder, or whatever `fsspec` can write to."""

    def __init__(self, url: str, used: Callable[[], bool] = lambda: False) -> None:
        """`used` tells whether files should lie there, so that an empty place is no new store."""
        self._filesystem, self._root = fsspec.url_to_fs(url)
        self._local_root = Path(self._root) if isinstance(self._filesystem, LocalFileSystem) else None
        self._used = used
        self._seen = False

    def path(self, file_id: str) -> str:
        return f"{self._root}/{file_id[-_FOLDER_LENGTH:]}/{file_id}"

    def local_path(self, file_id: str) -> Path | None:
        """Where the bytes lie on this machine's disk; `None` when the store is elsewhere."""
        return Path(self.path(file_id)) if self._local_root is not None else None

    def sink(self, limit: Bytes) -> Sink:
        return Sink(self, limit)

    def create(self, path: str) -> Any:
        """Raises NoCapacity, and Unavailable when the store is away."""
        try:
            if not self._is_there():
                raise self._away()
            self._filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            return self._filesystem.open(path, "wb")
        except OSError as error:
            raise _no_room(error) from error

    def move(self, source: str, target: str) -> None:
        self._filesystem.mv(source, target)

    def store(self, source: IO[bytes], limit: Bytes) -> Stored:
        """Copy a whole stream. Raises PayloadTooLarge, NoCapacity."""
        sink = self.sink(limit)
        while piece := source.read(CHUNK):
            sink.write(piece)
        return sink.keep()

    def pieces(self, file_id: str, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from `start`, a piece at a time.

        Raises NotFound when the bytes are gone, Unavailable when the whole store is, NoCapacity when it takes no mark.
        """
        try:
            file = self._filesystem.open(self.path(file_id), "rb")
        except FileNotFoundError as error:
            if not self._is_there():
                raise self._away() from error
            raise NotFound(
                f"The bytes of file {file_id} are gone", "they were removed from the file store", "upload it again"
            ) from error
        return _read(file, start, length)

    def remove(self, file_id: str) -> None:
        """Remove a file's bytes; it is no matter when they are gone."""
        self.forget(self.path(file_id))

    def forget(self, path: str) -> None:
        """Remove bytes; it is no matter when they are gone."""
        with suppress(OSError):
            self._filesystem.rm_file(path)

    def _is_there(self) -> bool:
        """A store without the mark is given it, when it is new, or an older version's with files in it.

        Raises NoCapacity when it takes none.
        """
        self._filesystem.invalidate_cache()
        mark = f"{self._root}/{_MARK}"
        if not self._filesystem.exists(mark):
            if self._seen or (self._used() and not self._has_files()):
                return False
            self._begin(mark)
        self._seen = True
        return True

    def _has_files(self) -> bool:
        try:
            names = self._filesystem.ls(self._root, detail=False)
        except FileNotFoundError:
            return False
        return any(len(name.rstrip("/").rsplit("/", 1)[-1]) == _FOLDER_LENGTH for name in names)

    def _begin(self, mark: str) -> None:
        try:
            self._make_root()
            self._filesystem.pipe_file(mark, _MARK_SAYS)
        except OSError as error:
            raise _no_room(error) from error

    def _make_root(self) -> None:
        if (root := self._local_root) is not None:
            # What keys keep from each other, other people on this machine do not read either.
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            self._filesystem.makedirs(self._root, exist_ok=True)

    def _away(self) -> Unavailable:
        return Unavailable(
            "The file store is not there", f"{self._root} has no {_MARK}, the mark of a file store",
            f"mount its disk again; to begin anew there, make the file {self._root}/{_MARK}",
        )  # fmt: skip


def _read(file: Any, start: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while length > 0 and (piece := file.read(min(CHUNK, length))):
            length -= len(piece)
            yield piece


# --- rows --------------------------------------------------------------------------------------


def add(
    session: Session, stored: Stored, *, name: str, purpose: str, content_type: str, owner: str = "",
    job_id: str | None = None, attempt: int | None = None, keep: float | None = None,
) -> File:  # fmt: skip
    """Make stored bytes known, for `keep` seconds, or until they are deleted."""
    moment = clock_time(session)
    row = File(
        id=stored.id, name=plain_name(name), purpose=purpose, content_type=content_type[:120], size=stored.size,
        sha256=stored.sha256, owner=owner, job_id=job_id, attempt=attempt,
        created_at=moment, expires_at=moment + keep if keep is not None else None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def find(session: Session, file_id: str, owner: str | None = None) -> File:
    """With `owner`, somebody else's file is as unknown as one that is not there or has expired. Raises NotFound."""
    row = held(session, file_id)
    expired = row.expires_at is not None and row.expires_at <= clock_time(session)
    if expired or owner not in (None, row.owner):
        raise _no_such_file(file_id)
    return row


def any_known(database: Database) -> bool:
    """Whether there is any file whose bytes should be in the store."""
    with database.read() as session:
        return session.scalar(select(File.id).limit(1)) is not None


def held(session: Session, file_id: str) -> File:
    """Also one that has expired: for work that began to use it before. Raises NotFound."""
    row = session.get(File, file_id)
    if row is None:
        raise _no_such_file(file_id)
    return row


def _no_such_file(file_id: str) -> NotFound:
    return NotFound(
        f"There is no file {file_id}", "the id is wrong, or the file was deleted or has expired", "upload it again"
    )


def files(
    session: Session,
    *,
    after: str | None,
    limit: int,
    purpose: str | None,
    job_id: str | None,
    owner: str | None = None,
    oldest_first: bool = False,
) -> list[File]:
    """The newest first, or the oldest, from the one after `after`; with `owner` only that key's.

    What batches make for their jobs is nobody's file, and only shown to who asks for it by its purpose or job.
    """
    query = select(File).where(or_(File.expires_at.is_(None), File.expires_at > now(session)))
    query = query.order_by(File.id if oldest_first else File.id.desc()).limit(limit)
    for wanted, column in ((purpose, File.purpose), (job_id, File.job_id), (owner, File.owner)):
        if wanted is not None:
            query = query.where(column == wanted)
    if purpose is None and job_id is None:
        query = query.where(File.purpose != PART)
    if after is not None:
        query = query.where(File.id > after if oldest_first else File.id < after)
    return list(session.scalars(query))


def remove(session: Session, file_id: str, owner: str | None = None) -> None:
    """Forget a file's row; its bytes go after the commit. Raises NotFound as `find` does."""
    find(session, file_id, owner)
    session.execute(delete(File).where(File.id == file_id))


def plain_name(name: str) -> str:
    """The last part of a name, without what a file system or a header could mistake."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(letter for letter in last if letter.isprintable()).strip(". ")
    return plain[-_NAME_LENGTH:] or "file"


def too_large(limit: Bytes) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body is larger than {format_bytes(limit)}",
        "the front door accepts no more at once",
        "split it, or raise CIDERMILL_UPLOAD_LIMIT",
        limit=limit,
    )


def _no_room(error: OSError) -> NoCapacity:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return NoCapacity(
        "The file cannot be stored",
        "the front door's disk is full" if full else f"the file store said: {error.strerror or error}",
        "free some space in the file store, then try again" if full else "check CIDERMILL_FILES_URL",
    )
