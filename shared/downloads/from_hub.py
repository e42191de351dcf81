"""`hf:` models: into the Hugging Face cache, several files at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx2

from shared.downloads import digest, from_fleet, second_name
from shared.downloads.from_peer import Peers
from shared.downloads.from_xet import locate, receive_xet
from shared.downloads.hub_cache import HubCache
from shared.downloads.meter import Counted, Meter
from shared.downloads.partial import Partial, opened
from shared.downloads.patience import Patience, persist
from shared.downloads.phases import CHECKING, RESOLVING
from shared.downloads.record import described, install
from shared.downloads.room import Claim, Lookout
from shared.downloads.transfer import TIMEOUT, Remote, receive
from shared.downloads.watch import Watch
from shared.errors import DiskFull, DownloadFailed, HubOffline, InvalidInput, Unavailable
from shared.hub import Hub, HubFile, Snapshot, offline
from shared.hub_choice import choose, groups
from shared.protocol import InstallRecord
from shared.references import ModelRef
from shared.vocabulary import Provider, Source
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
    watch.context.phase(RESOLVING)
    snapshot = _snapshot(hub, reference, watch, patience)
    files = choose(snapshot, reference.file, selection.include, selection.exclude)
    cache = HubCache(Path(store.cache_dir), snapshot)
    came = _Fetcher(hub, snapshot, cache, watch, patience).fetch(files)
    watch.context.phase(CHECKING)
    pinned = reference.model_copy(update={"revision": snapshot.commit})
    records = watch.one(lambda: _describe(pinned, name or reference.name, cache, files))
    if came or watch.context.attempt > 1:
        return records
    # All was here before anybody asked us: it is not ours to delete.
    return [record.model_copy(update={"source": "huggingface"}) for record in records]


def _snapshot(hub: Hub, reference: ModelRef, watch: Watch, patience: Patience) -> Snapshot:
    """As the hub describes it; as the catalog does when the hub is away. Raises what the hub says when neither can."""
    found = watch.one(lambda: _asked(hub, reference, watch, patience))
    if isinstance(found, Snapshot):
        return found
    models = from_fleet.known(reference, watch)
    commit = models[0].revision if models else None
    if commit is None:
        raise found
    watch.note(f"{found.problem.what}; going on with commit {commit[:12]}, which the catalog knows")
    files = {file.name: file for model in models for file in from_fleet.described(model)}
    return Snapshot(repo=reference.repo, revision=commit, commit=commit, files=tuple(files.values()))


def _asked(hub: Hub, reference: ModelRef, watch: Watch, patience: Patience) -> Snapshot | HubOffline | Unavailable:
    """That the hub is away is an answer: a failure would end the whole watch."""
    if watch.context.store().offline:
        return offline(reference.repo)
    try:
        ask = bind(hub.snapshot, reference.repo, reference.revision)
        return persist(ask, watch.interrupt, patience, note=watch.note)
    except (HubOffline, Unavailable) as error:
        return error


class _Fetcher:
    """Brings files of one snapshot into the cache."""

    def __init__(self, hub: Hub, snapshot: Snapshot, cache: HubCache, watch: Watch, patience: Patience) -> None:
        self._hub, self._snapshot, self._cache = hub, snapshot, cache
        self._watch, self._patience = watch, patience
        self._store = watch.context.store()
        self._meter = Meter(None, self._store.throttle)
        self._lookout = Lookout(self._store.cache_disk)

    def fetch(self, files: Sequence[HubFile]) -> bool:
        """Whether anything had to come."""
        missing = {file: self._cache.blob(file) for file in files if not self._cache.holds(file)}
        self._meter.total = sum(file.size for file in files)
        self._meter.found(sum(file.size for file in files if file not in missing))
        commit = ModelRef(provider=Provider.HF, repo=self._snapshot.repo, revision=self._snapshot.commit)
        peers = self._peers = Peers(self._watch, commit, list(missing), self._lookout.grown)
        growing = {
            self._cache.partial(blob): file.size
            for file, blob in missing.items()
            if not blob.is_file() and peers.here(file) is None
        }
        room, disk = self._store.room, self._store.cache_disk
        with room.claimed(disk, growing) as claim, httpx2.Client(timeout=TIMEOUT) as client:
            self._watch.context.phase(peers.phase(list(missing)))
            tasks = [bind(self._bring, file, blob, client, claim) for file, blob in missing.items()]
            self._watch.all(tasks, self._meter)
        peers.tell()
        self._cache.name_revision()
        return bool(missing)

    def _bring(self, file: HubFile, blob: Path, client: httpx2.Client, claim: Claim) -> None:
        self._cache.discard(file)
        partial, interrupt = self._cache.partial(blob), self._watch.interrupt
        counted = Counted(self._meter, lambda: self._watch.note(f"{file.name} comes with another download already"))
        with opened(partial, blob, bind(_digest, file), interrupt, counted.share) as growing:
            if growing is None or self._named(file, blob, partial):
                counted.settle(file.size)
            else:
                if growing.position > file.size:
                    growing.clear()
                counted.settle(growing.position)
                if self._peers.here(file) is not None:
                    claim.want({partial: file.size})
                self._fill(file, client, growing)
                claim.came(partial)
                growing.complete(blob, file.sha256 or file.blob_id)
        self._cache.link(file, blob)

    def _named(self, file: HubFile, blob: Path, partial: Path) -> bool:
        """Whether the content was on this host, and now has this name too: nothing of it comes twice."""
        here = self._peers.here(file)
        if here is None or not second_name.give(here, blob, file.sha256 or "", self._watch.interrupt):
            return False
        partial.unlink(missing_ok=True)
        self._watch.note(f"{file.name} is on this host already, as {here}: it is the same file under a second name")
        return True

    def _fill(self, file: HubFile, client: httpx2.Client, growing: Partial) -> None:
        """From other hosts as far as they have it, then from the hub; what is damaged by one of them comes anew."""
        shared = self._peers.fill(file, growing, self._meter, self._watch.interrupt)
        self._timed(file, client, growing)
        if shared and growing.hexdigest() != (file.sha256 or file.blob_id or growing.hexdigest()):
            self._watch.note(f"{file.name} came damaged from another host, fetching it from the hub")
            self._meter.found(-growing.position)
            growing.clear()
            self._timed(file, client, growing)

    def _timed(self, file: HubFile, client: httpx2.Client, growing: Partial) -> None:
        if growing.position < file.size:
            with self._watch.speed.timing(Source.HUB, lambda: growing.position):
                self._from_hub(file, client, growing)

    def _from_hub(self, file: HubFile, client: httpx2.Client, growing: Partial) -> None:
        """Through Xet where the hub has the file there; when that fails, plainly from where it stopped."""
        if self._store.offline:
            raise offline(self._snapshot.repo)
        remote, interrupt, note = self._remote(file), self._watch.interrupt, self._watch.note
        if (xet := locate(client, remote)) is not None:
            try:
                receive_xet(xet, remote, growing, self._meter, interrupt)
            except DiskFull:
                raise
            except DownloadFailed as error:
                note(f"{error.problem.what}: {error.problem.why.rstrip('.')}; going on by plain HTTP")
        step = bind(receive, client, remote, growing, self._meter, interrupt)
        persist(step, interrupt, self._patience, lambda: growing.position, note)

    def _remote(self, file: HubFile) -> Remote:
        return Remote(
            url=self._hub.address(self._snapshot, file),
            name=f"{self._snapshot.repo}/{file.name}",
            size=file.size,
            headers=self._hub.headers(),
            etag=file.sha256 or file.blob_id,
            guard=bind(_guard, self._hub.endpoint),
            grown=self._lookout.grown,
            forbidden=lambda response: self._hub.forbidden(self._snapshot.repo, response),
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
        _described(reference, name if len(models) == 1 else f"{name}:{PurePosixPath(model).stem}", cache, parts)
        for model, parts in models.items()
    ]


def _described(reference: ModelRef, name: str, cache: HubCache, parts: Sequence[HubFile]) -> InstallRecord:
    """Without a projector that lies there but was not asked for: it is not ours to delete."""
    weights = inspect(cache.pointer(parts[0]), frozenset(cache.pointer(file) for file in parts))
    return install(reference, name, weights, [_entry(cache, file) for file in parts], file=parts[0].name)


def _entry(cache: HubCache, file: HubFile) -> dict[str, object]:
    return described(cache.pointer(file), file.name, file.sha256)
