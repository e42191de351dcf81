"""The Hugging Face cache on disk, shared with every other tool that uses it.

`models--org--name/blobs/<etag>` holds contents, `snapshots/<commit>/<path>` links to them, `refs/<revision>` holds a
commit (https://huggingface.co/docs/huggingface_hub/guides/manage-cache). We write it ourselves because
`huggingface_hub` 2 starts every interrupted file from its first byte; it reads and reuses what we wrote.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from shared.hub import HubFile, Snapshot

_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file marks a cache folder (https://bford.info/cachedir/); its contents can be downloaded again.\n"
)


class HubCache:
    """One repository at one commit in the cache at `folder`."""

    def __init__(self, folder: Path, snapshot: Snapshot) -> None:
        self._cache = folder
        self._snapshot = snapshot
        self._repo = folder / f"models--{snapshot.repo.replace('/', '--')}"
        #: Where the files appear under their own names.
        self.path = self._repo / "snapshots" / snapshot.commit

    def holds(self, file: HubFile) -> bool:
        """Whether the whole file is here, by its size; other tools check content when they put it here, as we do."""
        pointer = self.pointer(file)
        return pointer.is_file() and pointer.stat().st_size == file.size

    def discard(self, file: HubFile) -> None:
        """Remove what lies in the file's place with another size."""
        self.pointer(file).unlink(missing_ok=True)
        blob = self.blob(file)
        if blob.is_file() and blob.stat().st_size != file.size:
            blob.unlink()

    def pointer(self, file: HubFile) -> Path:
        return self.path / file.name

    def blob(self, file: HubFile) -> Path:
        """Where the content belongs; named by its checksum, so that revisions share it."""
        return (
            self._repo / "blobs" / (file.sha256 or file.blob_id or f"{self._snapshot.commit[:12]}-{uuid.uuid4().hex}")
        )

    def partial(self, blob: Path) -> Path:
        """Where it grows; a name of our own, for other tools write to `<etag>.incomplete` without our lock."""
        return blob.with_name(f"{blob.name}.cidermill.incomplete")

    def link(self, file: HubFile, blob: Path) -> None:
        """Let the file appear in the snapshot; on disks without links the content itself moves there."""
        pointer = self.pointer(file)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        fresh = pointer.with_name(f"{pointer.name}.{uuid.uuid4().hex[:8]}")
        try:
            fresh.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:
            fresh = blob
        fresh.replace(pointer)

    def name_revision(self) -> None:
        """Note which commit the revision means, so that others find it without a network."""
        tag = self._cache / "CACHEDIR.TAG"
        if not tag.exists():
            tag.write_text(_TAG)
        if self._snapshot.revision == self._snapshot.commit:
            return
        reference = self._repo / "refs" / self._snapshot.revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        fresh = reference.with_name(f"{reference.name}.{uuid.uuid4().hex[:8]}.tmp")
        fresh.write_text(self._snapshot.commit)
        fresh.replace(reference)
