"""A content that lies on this host already, kept by another program or for another repository: a second name for it."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from shared.downloads.digest import feed, sha256
from shared.downloads.interrupt import Interrupt


def give(path: Path, target: Path, checksum: str, interrupt: Interrupt) -> bool:
    """Let `target` be the same file as `path`, when all of it has that SHA-256; whether it is. Raises Interrupted.

    No when it is gone, is something else by now, lies on another disk, or may not be linked: then it is fetched.
    """
    try:
        real = path.resolve(strict=True)
        before = real.stat()
        if feed(sha256(), real, lambda count: interrupt.check()).hexdigest() != checksum:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.link")
        os.link(real, fresh)
        after = fresh.stat()
        if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
            # Somebody put another file there while it was read.
            fresh.unlink()
            return False
        fresh.replace(target)
    except OSError:
        return False
    return True
