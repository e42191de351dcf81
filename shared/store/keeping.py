"""Deleting from a host's disk: only what Cidermill keeps there, and of that only what nobody else links to."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from shared.downloads import from_web
from shared.errors import InvalidInput
from shared.kinds.contract import ModelStore
from shared.references import ModelRef
from shared.store import copies
from shared.vocabulary import Provider


class Keeping:
    """The Hugging Face cache and the folder for other downloads of one host."""

    def __init__(self, store: ModelStore) -> None:
        self._cache = Path(store.cache_dir)
        self._models = Path(store.models_dir)

    def root(self, reference: ModelRef, copy: str | None = None) -> Path:
        """Where a download of this reference lies, or the copy with this key of a `local:` model.

        Raises InvalidInput for what no download of ours made.
        """
        if reference.provider is Provider.HF and reference.revision is not None:
            repository = self._cache / f"models--{reference.repo.replace('/', '--')}"
            return repository / "snapshots" / reference.revision
        if reference.provider is Provider.URL:
            return from_web.place(reference.repo, self._models).parent
        if reference.provider is Provider.LOCAL and copy is not None:
            return copies.place(self._models, copy)
        raise InvalidInput(
            f"{reference} is not ours to delete", "It was there before Cidermill.", "delete it with its own program"
        )

    def forget(self, files: Iterable[Path], used: Collection[Path] = ()) -> int:
        """Remove files, their contents too unless in `used` or linked to from elsewhere; bytes that are free now.

        What lies outside of our folders, or is gone already, is passed over.
        """
        freed = 0
        for path in files:
            if self._is_ours(path) and (path.is_symlink() or path.is_file()):
                content = path.resolve()
                freed += self._forget(path, content, spared=content in used)
                self._tidy(path.parent)
        return freed

    def _forget(self, path: Path, content: Path, *, spared: bool) -> int:
        # What another program has under another name stays its own.
        size = facts.st_size if content.is_file() and (facts := content.stat()).st_nlink == 1 else 0
        repository = self._repository(path)
        if not path.is_symlink():
            if spared:
                return 0
            path.unlink()
            path.with_name(f".{path.name}.json").unlink(missing_ok=True)
            return size
        path.unlink()
        if spared or repository is None or content.parent != (repository / "blobs").resolve():
            return 0
        if any(link.is_symlink() and link.resolve() == content for link in (repository / "snapshots").rglob("*")):
            return 0
        content.unlink(missing_ok=True)
        return size

    def _is_ours(self, path: Path) -> bool:
        ours = (self._cache, self._models / "url", self._models / copies.FOLDER)
        return any(path.is_relative_to(folder) for folder in ours)

    def _repository(self, path: Path) -> Path | None:
        if not path.is_relative_to(self._cache):
            return None
        return self._cache / path.relative_to(self._cache).parts[0]

    def _tidy(self, folder: Path) -> None:
        """Remove folders that hold nothing any more, and a repository of which no content is left."""
        while folder not in (self._cache, self._models) and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
        repository = self._repository(folder)
        if repository is not None and repository != self._cache and not (repository / "snapshots").exists():
            blobs = repository / "blobs"
            if not blobs.exists() or not any(blobs.iterdir()):
                shutil.rmtree(repository, ignore_errors=True)
