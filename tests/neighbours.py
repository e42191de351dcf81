"""Hosts that serve their models, and a fleet in which they are known."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from shared.errors import Unavailable
from shared.kinds.contract import FleetStore
from shared.store import grant
from shared.store.grant import Grant
from shared.store.wire import HereFile, KnownModel, Peer, Shelf, ShelfFile, ShelfModel, Sourced, SourcedFile, Sources
from tests.alone import AloneInTheFleet
from tests.store_context import StoreContext
from workers.agent.peer import Blobs, PeerServer

KEY = grant.own_secret("ch_mini")


@dataclass
class Mini:
    """A host that serves a folder, at its own port or behind another address."""

    folder: Path
    server: PeerServer
    address: str | None = None
    away: bool = False
    shelf: list[ShelfModel] = field(default_factory=list)
    #: Seconds for which its grants are good, and what signs them: those of the next one first.
    lifetimes: list[float] = field(default_factory=list)
    key: bytes = KEY

    @property
    def url(self) -> str:
        return self.address or f"http://127.0.0.1:{self.server.port}"

    def put(self, name: str, content: bytes) -> str:
        """Serve a file under its checksum."""
        (self.folder / name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        file = ShelfFile(name=name, size=len(content), sha256=sha256)
        self.shelf.append(
            ShelfModel(model_id=name, name=name, path=str(self.folder / name), source="cidermill", files=[file])
        )
        return sha256

    def grant(self, sha256: str, host: str = "mini") -> str:
        lifetime = self.lifetimes.pop(0) if self.lifetimes else 60.0
        granted = Grant(model="m", sha256=sha256, from_host=host, to_host="studio", expires=time.time() + lifetime)
        return grant.sign(self.key, granted)

    def get(self, sha256: str, token: str | None = None, **headers: str) -> httpx2.Response:
        bearer = {"Authorization": f"Bearer {token or self.grant(sha256)}"}
        return httpx2.get(f"{self.url}/v1/blobs/{sha256}", headers={**bearer, **headers}, timeout=60, trust_env=False)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Mini]:
    """A host that serves what is `put` there."""
    folder.mkdir(parents=True, exist_ok=True)

    def shelf() -> Shelf:
        if host.away:
            raise Unavailable("The front door is away")
        return Shelf(models=host.shelf)

    host = Mini(folder, PeerServer("127.0.0.1", 0, "mini", KEY, Blobs(shelf)))
    yield host
    host.server.close()


@dataclass
class Neighbours(AloneInTheFleet):
    """A fleet in which every wanted file is offered by these hosts, in order."""

    offers: list[Mini]
    files: dict[str, bytes]
    #: What the catalog knows of models from there.
    models: list[KnownModel] = field(default_factory=list)
    #: What the asking host has itself.
    here: list[HereFile] = field(default_factory=list)
    #: Questions so far about files.
    asked: int = 0

    def sources(self, ask: Sources) -> Sourced:
        if not ask.files:
            return Sourced(models=self.models)
        self.asked += 1
        found = []
        for file in ask.files if self.offers else ():
            sha256 = hashlib.sha256(self.files[file.name]).hexdigest()
            peers = [Peer(host=f"mini-{i}", url=one.url, grant=one.grant(sha256)) for i, one in enumerate(self.offers)]
            found.append(SourcedFile(name=file.name, sha256=sha256, peers=peers))
        return Sourced(files=found, here=self.here)


@dataclass
class FleetContext(StoreContext):
    neighbours: FleetStore = field(default_factory=AloneInTheFleet)

    @property
    def fleet(self) -> FleetStore:
        return self.neighbours
