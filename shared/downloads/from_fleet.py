"""Models that the catalog knows: what they consist of, and a copy of them from hosts that have them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial as bind
from pathlib import Path
from typing import Any

from shared.downloads.digest import sha256
from shared.downloads.from_peer import Peers
from shared.downloads.meter import Counted, Meter
from shared.downloads.partial import opened
from shared.downloads.phases import CHECKING
from shared.downloads.record import install
from shared.downloads.room import Claim, Lookout
from shared.downloads.watch import Watch
from shared.errors import ChecksumMismatch, DownloadFailed, InvalidInput
from shared.hub import HubFile
from shared.protocol import InstallRecord
from shared.references import ModelRef
from shared.store import copies
from shared.store.manifest import content_digest, manifest
from shared.store.wire import KnownModel, Sources
from shared.weights import inspect


def known(reference: ModelRef, watch: Watch) -> list[KnownModel]:
    """What the catalog knows of models from there; nothing while the front door is away."""
    ask = Sources(provider=reference.provider, repo=reference.repo, revision=reference.revision, files=[])
    return watch.context.fleet.sources(ask).models


def of_content(digest: str | None, models: Sequence[KnownModel]) -> KnownModel | None:
    """The one of that content, by the checksums of its files; any content: the first."""
    wanted = (model for model in models if digest in (None, content_digest(manifest(_entries(model)))))
    return next(wanted, None)


def described(model: KnownModel) -> tuple[HubFile, ...]:
    """Its files as wanted. Raises ValidationError when one lies outside of the model."""
    return tuple(HubFile.model_validate(file.model_dump()) for file in model.files)


def copy(reference: ModelRef, name: str | None, model: KnownModel, watch: Watch) -> list[InstallRecord]:
    """A `local:` model of another host, in a folder of our own. Raises DownloadFailed, DiskFull, InvalidInput."""
    files = _entries(model)
    folder = copies.place(Path(watch.context.store().models_dir), copies.key(files))
    FleetCopy(reference, described(model), folder, watch).fetch()
    watch.context.phase(CHECKING)
    weights = watch.one(lambda: inspect(folder / model.loaded if model.loaded else folder))
    return [install(reference, name or model.name, weights, files)]


def _entries(model: KnownModel) -> list[dict[str, Any]]:
    return [file.model_dump() for file in model.files]


def unknown(reference: ModelRef) -> InvalidInput:
    """The error of a `local:` model that is neither on this host nor to be had from another one."""
    return InvalidInput(
        f"There is nothing at {reference.repo}",
        "The path does not exist on this host, and no other host is known to have a model there with known checksums.",
        "correct the path; a model of another host is read first: cidermill models verify NAME",
    )


class FleetCopy:
    """Files that come from hosts of the fleet and from nowhere else, each checked before it is put in its place."""

    def __init__(self, reference: ModelRef, files: Sequence[HubFile], folder: Path, watch: Watch) -> None:
        self._reference, self._files, self._folder, self._watch = reference, files, folder, watch
        self._store = watch.context.store()
        self._meter = Meter(sum(file.size for file in files), self._store.throttle)

    def fetch(self) -> None:
        """Bring what is missing. Raises DownloadFailed, with what came kept, when no host could give it all."""
        missing = [file for file in self._files if not self._holds(file)]
        self._meter.found(sum(file.size for file in self._files if file not in missing))
        peers = Peers(self._watch, self._reference, missing, Lookout(self._store.models_disk).grown)
        growing = {self._partial(file): file.size for file in missing}
        with self._store.room.claimed(self._store.models_disk, growing) as claim:
            self._watch.context.phase(peers.phase(missing))
            came = self._watch.all([bind(self._bring, file, peers, claim) for file in missing], self._meter)
        peers.tell()
        for failure in came:
            if failure is not None:
                raise failure

    def _bring(self, file: HubFile, peers: Peers, claim: Claim) -> DownloadFailed | None:
        """What hosts cannot give is an answer: a failure would end the watch, and the web may have the file."""
        partial, target = self._partial(file), self._folder / file.name
        if not self._holds(file):
            target.unlink(missing_ok=True)
        counted = Counted(self._meter, lambda: self._watch.note(f"{file.name} comes with another download already"))
        with opened(partial, target, sha256, self._watch.interrupt, counted.share) as growing:
            if growing is None:
                counted.settle(file.size)
                return None
            if growing.position > file.size:
                growing.clear()
            counted.settle(growing.position)
            peers.fill(file, growing, self._meter, self._watch.interrupt)
            if growing.position < file.size:
                return _incomplete(file)
            claim.came(partial)
            try:
                growing.complete(target, file.sha256)
            except ChecksumMismatch as error:
                return error
        return None

    def _holds(self, file: HubFile) -> bool:
        """By its size: what lies in its place was checked when it was put there."""
        target = self._folder / file.name
        return target.is_file() and target.stat().st_size == file.size

    def _partial(self, file: HubFile) -> Path:
        """Apart from what comes from elsewhere: two sources may have two editions under one name."""
        target = self._folder / file.name
        return target.with_name(f".{target.name}.fleet.partial")


def _incomplete(file: HubFile) -> DownloadFailed:
    return DownloadFailed(
        f"No host could give the whole of {file.name}",
        "none that has it is up, serves its models and can be reached from here",
        "start the agent of a host that has it, or let it serve its models, then retry the job",
    )
