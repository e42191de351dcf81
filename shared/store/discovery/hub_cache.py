"""The Hugging Face cache: one snapshot of each repository, the one that `main` means or else the newest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from shared.references import ModelRef
from shared.store.discovery.contract import Broken, Candidate, Place
from shared.store.discovery.describe import gguf_models
from shared.vocabulary import Provider

#: Contents of large files are named by their SHA-256, of small ones by git's SHA-1.
_SHA256 = re.compile(r"[0-9a-f]{64}")


class HubCache:
    name = "huggingface"

    def folders(self, place: Place) -> list[Path]:
        return [place.hub_cache]

    def candidates(self, folder: Path) -> Iterator[Candidate | Broken]:
        for repository in sorted(folder.glob("models--*")):
            snapshot = _snapshot(repository)
            if snapshot is not None:
                yield from _models(snapshot, repository.name.removeprefix("models--").replace("--", "/"))


def _snapshot(repository: Path) -> Path | None:
    main = repository / "refs" / "main"
    if main.is_file() and (named := repository / "snapshots" / main.read_text().strip()).is_dir():
        return named
    folders = [path for path in (repository / "snapshots").glob("*") if path.is_dir()]
    return max(folders, key=lambda path: path.stat().st_mtime, default=None)


def _models(snapshot: Path, repo: str) -> Iterator[Candidate | Broken]:
    files = list(gguf_models(snapshot))
    checksums = {path: path.resolve().name for path in snapshot.rglob("*") if _SHA256.fullmatch(path.resolve().name)}
    for path in files:
        name = repo if len(files) == 1 else f"{repo}:{path.stem}"
        reference = ModelRef(
            provider=Provider.HF, repo=repo, file=path.relative_to(snapshot).as_posix(), revision=snapshot.name
        )
        yield Candidate(path, name, reference, snapshot, checksums)
    if not files and any(snapshot.iterdir()):
        yield Candidate(
            snapshot, repo, ModelRef(provider=Provider.HF, repo=repo, revision=snapshot.name), snapshot, checksums
        )


PROGRAM = HubCache()
