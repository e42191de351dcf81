"""A file on its way: it outlives its process, has one writer, and is checked as it grows."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.downloads.digest import Digest, feed
from shared.downloads.interrupt import Interrupt
from shared.errors import ChecksumMismatch, DiskFull

#: Seconds between looks at a partial file that another download fills.
_LOOK = 0.25


class Partial:
    """Bytes `0 … position` of a file that is not whole yet. Writes are not buffered: a killed process loses none."""

    def __init__(self, path: Path, descriptor: int, new_digest: Callable[[], Digest], interrupt: Interrupt) -> None:
        self.path = path
        self._descriptor = descriptor
        self._new_digest = new_digest
        self._digest = feed(new_digest(), path, lambda count: interrupt.check())
        self.position = os.lseek(descriptor, 0, os.SEEK_END)

    def write(self, data: bytes) -> None:
        """Append. Raises DiskFull."""
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._descriptor, view)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise disk_filled(self.path) from error
                raise
            self._digest.update(view[:written])  # type: ignore[arg-type]
            self.position += written
            view = view[written:]

    def clear(self) -> None:
        """Begin again."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._digest = self._new_digest()
        self.position = 0

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def complete(self, target: Path, expected: str | None) -> None:
        """Put it in its place. Raises ChecksumMismatch, and removes the bytes, when they are not the expected ones."""
        if expected is not None and self.hexdigest() != expected.lower():
            self.path.unlink(missing_ok=True)
            raise ChecksumMismatch(
                f"{target.name} came damaged",
                f"Its checksum is {self.hexdigest()}, {expected} was promised; the bytes are removed.",
                "try again; if it happens again, the publisher's file or a proxy on the way is at fault",
            )
        os.fsync(self._descriptor)
        self.path.replace(target)


@contextlib.contextmanager
def opened(
    path: Path,
    target: Path,
    new_digest: Callable[[], Digest],
    interrupt: Interrupt,
    shared: Callable[[int], None] = lambda size: None,
) -> Iterator[Partial | None]:
    """The partial file at `path`, locked; `None` when another download finished `target` in the meantime.

    While another one fills it, `shared` is told its size four times a second; when that one ends early this one goes on
    with its bytes. Raises Interrupted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _locked(path, target, interrupt, shared)
    if descriptor is None:
        yield None
        return
    try:
        yield Partial(path, descriptor, new_digest, interrupt)
    finally:
        os.close(descriptor)


def disk_filled(path: Path) -> DiskFull:
    return DiskFull(
        "The disk is full",
        f"Nothing more could be written to {path.parent}; what came is kept.",
        "free some space, then retry the job: it goes on where it stopped",
    )


def _locked(path: Path, target: Path, interrupt: Interrupt, shared: Callable[[int], None]) -> int | None:
    while not target.exists():
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if _lock(descriptor):
            if _is_still(path, descriptor):
                return descriptor
            os.close(descriptor)
            continue
        shared(os.fstat(descriptor).st_size)
        os.close(descriptor)
        interrupt.wait(_LOOK)
    return None


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the path names the locked file: its last writer may have moved or removed it just before."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
