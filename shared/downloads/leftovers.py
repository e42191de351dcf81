"""What unfinished downloads left on the disks, and nobody went on with."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.kinds.contract import ModelStore

_DAY = 86400.0
#: Seconds that an unfinished file is kept since its last byte came: a cancelled or failed download goes on with it.
KEPT = 30 * _DAY
_IN_CACHE = "models--*/blobs/*.cidermill.incomplete"
_BESIDE = ("url/*/.*.partial", "copies/*/**/.*.partial")


def sweep(store: ModelStore, moment: float | None = None) -> int:
    """Remove unfinished files of ours that are older than `KEPT`; bytes that are free now.

    One that a download fills at this moment stays, whatever its date says.
    """
    oldest = (time.time() if moment is None else moment) - KEPT
    return sum(_remove(path, oldest) for path in _unfinished(store))


def _unfinished(store: ModelStore) -> Iterator[Path]:
    yield from Path(store.cache_dir).glob(_IN_CACHE)
    for pattern in _BESIDE:
        yield from Path(store.models_dir).glob(pattern)


def _remove(path: Path, oldest: float) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        facts = os.fstat(descriptor)
        if facts.st_mtime >= oldest:
            return 0
        path.unlink(missing_ok=True)
        return facts.st_size
    except BlockingIOError:
        return 0
    finally:
        os.close(descriptor)
