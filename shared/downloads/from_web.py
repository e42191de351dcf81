"""`url:` models: one GGUF file from a web server, under the models folder."""

from __future__ import annotations

import hashlib
import json
import re
from functools import partial as bind
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import httpx2

from shared.downloads import from_fleet
from shared.downloads.addresses import is_loopback
from shared.downloads.digest import sha256
from shared.downloads.meter import Meter
from shared.downloads.partial import Partial, opened
from shared.downloads.patience import Patience, persist
from shared.downloads.phases import CHECKING, DOWNLOADING
from shared.downloads.record import described, install
from shared.downloads.room import Claim, check_room
from shared.downloads.transfer import Remote, receive
from shared.downloads.watch import Watch
from shared.downloads.web import web_client
from shared.errors import DiskFull, DownloadFailed, Forbidden, InvalidInput
from shared.gguf import MAGIC
from shared.protocol import InstallRecord
from shared.references import ModelRef
from shared.units import MIB
from shared.vocabulary import Source
from shared.weights import Weights, inspect

_UNSAFE = re.compile(r"[^\w.+-]+", re.ASCII)
#: Bytes between looks at the free disk when nobody said how many will come.
_LOOK = 64 * MIB
_FIX = "give the public address of a GGUF file itself, not of a page about it"


def fetch(
    reference: ModelRef, name: str | None, checksum: str | None, watch: Watch, patience: Patience
) -> list[InstallRecord]:
    """Download the file unless it is here. Raises InvalidInput, NotFound, DownloadFailed and its children.

    A file that is here stays as it is until it is removed, or another checksum is asked for.
    """
    target = place(reference.repo, Path(watch.context.store().models_dir))
    watch.context.phase(DOWNLOADING)
    if not _is_here(target, checksum) and not _from_fleet(reference, target, checksum, watch):
        _WebFile(reference.repo, target, checksum, watch, patience).fetch()
    watch.context.phase(CHECKING)
    weights = watch.one(lambda: _inspected(target))
    files = watch.one(lambda: [described(target, target.name, _noted(target).get("sha256"))])
    return [install(reference, name or reference.name, weights, files)]


def _from_fleet(reference: ModelRef, target: Path, checksum: str | None, watch: Watch) -> bool:
    """Whether hosts that have the file gave it whole; what lies in its place goes. Raises DiskFull and Interrupted."""
    models = from_fleet.known(reference, watch)
    files = [file for model in models for file in from_fleet.described(model)]
    if len(files) != 1 or checksum not in (None, files[0].sha256):
        return False
    wanted = files[0].model_copy(update={"name": target.name})
    # What lies there is not what was asked for, though it may be as large.
    target.unlink(missing_ok=True)
    try:
        from_fleet.FleetCopy(reference, [wanted], target.parent, watch).fetch()
    except DiskFull:
        raise
    except DownloadFailed as error:
        watch.note(f"{error.problem.what}, fetching it from the web")
        return False
    _note(target, sha256=wanted.sha256)
    return True


class _WebFile:
    """One file, told apart from what the server may put in its place by its validator."""

    def __init__(self, url: str, target: Path, checksum: str | None, watch: Watch, patience: Patience) -> None:
        self._url, self._target, self._checksum = url, target, checksum
        self._watch, self._patience = watch, patience
        self._store = watch.context.store()
        self._partial = target.with_name(f".{target.name}.partial")
        self._meter = Meter(None, self._store.throttle)
        self._looked_at = 0

    def fetch(self) -> None:
        self._target.unlink(missing_ok=True)
        client = web_client(loopback=is_loopback(self._url))
        with client, self._store.room.claimed(self._store.models_disk, {}) as claim:
            self._watch.one(lambda: self._bring(client, claim), self._meter)

    def _bring(self, client: httpx2.Client, claim: Claim) -> None:
        interrupt = self._watch.interrupt
        with opened(self._partial, self._target, sha256, interrupt) as growing:
            if growing is None:
                return
            self._meter.found(growing.position)
            step = bind(self._once, client, claim, growing)
            with self._watch.speed.timing(Source.WEB, lambda: growing.position):
                persist(step, interrupt, self._patience, lambda: growing.position, self._watch.note)
            _note(self._target, sha256=growing.hexdigest())
            growing.complete(self._target, self._checksum)

    def _once(self, client: httpx2.Client, claim: Claim, growing: Partial) -> None:
        validator = _noted(self._target).get("validator")
        if growing.position and not (validator or self._checksum):
            # Nothing would tell whether the rest belongs to what came so far.
            self._meter.found(-growing.position)
            growing.clear()
        receive(client, self._remote(validator, claim, growing), growing, self._meter, self._watch.interrupt)

    def _remote(self, validator: str | None, claim: Claim, growing: Partial) -> Remote:
        return Remote(
            url=self._url,
            name=self._target.name,
            validator=validator,
            accept=bind(self._accept, claim, growing),
            grown=self._look,
            forbidden=self._forbidden,
        )

    def _accept(self, claim: Claim, growing: Partial, response: httpx2.Response) -> None:
        """Remember which edition comes, and claim its room on the disk."""
        _note(self._target, validator=_validator(response))
        length = response.headers.get("Content-Length", "")
        to_come = int(length) if length.isdigit() else 0
        claim.want({growing.path: growing.position + to_come})
        if to_come:
            self._meter.total = to_come + (self._meter.done if response.status_code == 206 else 0)

    def _look(self, growing: Partial) -> None:
        """Refuse what is no GGUF at its first bytes, and stop before the disk is full."""
        if self._looked_at and growing.position < self._looked_at + _LOOK:
            return
        self._looked_at = growing.position
        check_room(self._store.models_disk, 0)
        with growing.path.open("rb") as stream:
            start = stream.read(len(MAGIC))
        if not MAGIC.startswith(start):
            growing.path.unlink()
            raise InvalidInput(f"{self._target.name} is not a GGUF file", "It does not begin with GGUF.", _FIX)

    def _forbidden(self, response: httpx2.Response) -> Forbidden:
        return Forbidden(f"{self._target.name} was refused", "The server wants to know who asks.", _FIX)


def place(url: str, folder: Path) -> Path:
    """Where the file of an address goes: a folder of its own, so that equal names do not meet."""
    name = _UNSAFE.sub("_", PurePosixPath(unquote(urlsplit(url).path)).name).lstrip(".")[-120:] or "model.gguf"
    return folder / "url" / hashlib.sha256(url.encode()).hexdigest()[:32] / name


def _is_here(target: Path, checksum: str | None) -> bool:
    return target.is_file() and checksum in (None, _noted(target).get("sha256"))


def _inspected(target: Path) -> Weights:
    """What came; removed when it is no model, so that a later try begins anew."""
    try:
        return inspect(target)
    except InvalidInput:
        target.unlink(missing_ok=True)
        raise


def _validator(response: httpx2.Response) -> str | None:
    """What tells editions apart: a strong ETag, else the date."""
    etag = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _notes(target: Path) -> Path:
    return target.with_name(f".{target.name}.json")


def _noted(target: Path) -> dict[str, str | None]:
    """What is known of the file; nothing when the note is missing or damaged."""
    try:
        noted = json.loads(_notes(target).read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _note(target: Path, **facts: str | None) -> None:
    path = _notes(target)
    fresh = path.with_name(f"{path.name}.tmp")
    fresh.write_text(json.dumps({**_noted(target), **facts}))
    fresh.replace(path)
