"""`hf:` models: into the Hugging Face cache, several files at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx2

from shared.downloads import digest
from shared.downloads.hub_cache import HubCache
from shared.downloads.meter import Meter
from shared.downloads.partial import opened
from shared.downloads.patience import Patience, persist
from shared.downloads.record import described, install
from shared.downloads.room import check_room
from shared.downloads.transfer import TIMEOUT, Remote, receive
from shared.downloads.watch import Watch
from shared.errors import InvalidInput
from shared.hub import Hub, HubFile, Snapshot, gated
from shared.hub_choice import choose, groups
from shared.protocol import InstallRecord
from shared.references import ModelRef
from shared.weights import inspect


@dataclass(frozen=True)
class Selection:
    """Which files of a repository are wanted, beyond what the reference itself names."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


def fetch(
    reference: ModelRef, name: str | None, selection: Selection, watch: Watch, patience: Patience
) -> list[InstallRecord]:
    """Download what is missing, then describe it. Raises NotFound, Unavailable, DownloadFailed and its children."""
    store = watch.context.store()
    hub = Hub(store.endpoint, store.token)
    watch.context.phase("resolving")
    ask = bind(hub.snapshot, reference.repo, reference.revision)
    snapshot = watch.one(lambda: persist(ask, watch.interrupt, patience, note=watch.note))
    files = choose(snapshot, reference.file, selection.include, selection.exclude)
    cache = HubCache(Path(store.cache_dir), snapshot)
    _Fetcher(hub, snapshot, cache, watch, patience).fetch(files)
    watch.context.phase("checking")
    pinned = reference.model_copy(update={"revision": snapshot.commit})
    return watch.one(lambda: _describe(pinned, name or reference.name, cache, files))


class _Fetcher:
    """Brings files of one snapshot into the cache."""

    def __init__(self, hub: Hub, snapshot: Snapshot, cache: HubCache, watch: Watch, patience: Patience) -> None:
        self._hub, self._snapshot, self._cache = hub, snapshot, cache
        self._watch, self._patience = watch, patience
        self._meter = Meter(None)

    def fetch(self, files: Sequence[HubFile]) -> None:
        missing = [file for file in files if not self._cache.holds(file)]
        self._meter.total = sum(file.size for file in files)
        self._meter.found(sum(file.size for file in files if file not in missing))
        check_room(self._watch.context.store(), sum(file.size - self._here(file) for file in missing))
        self._watch.context.phase("downloading")
        with httpx2.Client(timeout=TIMEOUT) as client:
            self._watch.all([self._task(file, client) for file in missing], self._meter)
        self._cache.name_revision()

    def _here(self, file: HubFile) -> int:
        blob = self._cache.blob(file)
        for path in (blob, self._cache.partial(blob)):
            if path.is_file():
                return min(path.stat().st_size, file.size)
        return 0

    def _task(self, file: HubFile, client: httpx2.Client) -> Callable[[], None]:
        return lambda: self._bring(file, client)

    def _bring(self, file: HubFile, client: httpx2.Client) -> None:
        self._cache.discard(file)
        blob = self._cache.blob(file)
        interrupt = self._watch.interrupt
        with opened(self._cache.partial(blob), blob, bind(_digest, file), interrupt) as growing:
            if growing is None:
                self._meter.found(file.size)
            else:
                if growing.position > file.size:
                    growing.clear()
                self._meter.found(growing.position)
                step = bind(receive, client, self._remote(file), growing, self._meter, interrupt)
                persist(step, interrupt, self._patience, lambda: growing.position, self._watch.note)
                growing.complete(blob, file.sha256 or file.blob_id)
        self._cache.link(file, blob)

    def _remote(self, file: HubFile) -> Remote:
        return Remote(
            url=self._hub.address(self._snapshot, file),
            name=f"{self._snapshot.repo}/{file.name}",
            size=file.size,
            headers=self._hub.headers(),
            guard=bind(_guard, self._hub.endpoint),
            forbidden=lambda: gated(self._snapshot.repo, self._hub.endpoint),
        )


def _digest(file: HubFile) -> digest.Digest:
    return digest.sha256() if file.sha256 or not file.blob_id else digest.git_blob(file.size)


def _guard(endpoint: str, url: str) -> None:
    """A hub reached over https may not send us on to plain http."""
    if urlsplit(url).scheme not in {"https", urlsplit(endpoint).scheme}:
        raise InvalidInput(
            f"{endpoint} redirects to an unprotected address", "It is not https.", "check HF_ENDPOINT and proxies"
        )


def _describe(reference: ModelRef, name: str, cache: HubCache, files: Sequence[HubFile]) -> list[InstallRecord]:
    """One record for each GGUF model among the files, or one for the folder they make."""
    models = groups(files)
    if not models:
        entries = [_entry(cache, file) for file in files]
        return [install(reference, name, inspect(cache.path), entries)]
    return [
        install(
            reference,
            name if len(models) == 1 else f"{name}:{PurePosixPath(model).stem}",
            inspect(cache.pointer(parts[0])),
            [_entry(cache, file) for file in parts],
            file=parts[0].name,
        )
        for model, parts in models.items()
    ]


def _entry(cache: HubCache, file: HubFile) -> dict[str, object]:
    return described(cache.pointer(file), file.name, file.sha256)
