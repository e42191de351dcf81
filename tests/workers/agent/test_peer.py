"""A host serves its models to who may have them; fetching from it ends with the right bytes, or goes on elsewhere."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from shared.errors import Unavailable
from shared.kinds.contract import FleetStore
from shared.kinds.download import Download
from shared.protocol import Transfer
from shared.store import grant
from shared.store.grant import Grant
from shared.store.wire import Peer, Shelf, ShelfFile, ShelfModel, Sourced, SourcedFile, Sources
from tests.alone import AloneInTheFleet
from tests.hub import HubServer, running_hub
from tests.models import random_llama
from tests.store_context import StoreContext
from workers.agent.peer import Blobs, PeerServer

KEY = grant.own_secret("ch_mini")


@dataclass
class Mini:
    """A host that serves a folder."""

    folder: Path
    server: PeerServer
    away: bool = False
    shelf: list[ShelfModel] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

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
        granted = Grant(model="m", sha256=sha256, from_host=host, to_host="studio", expires=time.time() + 60)
        return grant.sign(KEY, granted)

    def get(self, sha256: str, token: str | None = None, **headers: str) -> httpx2.Response:
        bearer = {"Authorization": f"Bearer {token or self.grant(sha256)}"}
        return httpx2.get(f"{self.url}/v1/blobs/{sha256}", headers={**bearer, **headers}, trust_env=False)


@pytest.fixture
def mini(tmp_path: Path) -> Iterator[Mini]:
    folder = tmp_path / "served"
    folder.mkdir()

    def shelf() -> Shelf:
        if host.away:
            raise Unavailable("The front door is away")
        return Shelf(models=host.shelf)

    host = Mini(folder, PeerServer("127.0.0.1", 0, "mini", KEY, Blobs(shelf)))
    yield host
    host.server.close()


def test_a_file_is_served_whole_and_in_ranges(mini: Mini) -> None:
    sha256 = mini.put("a", b"0123456789")
    whole = mini.get(sha256)
    assert (whole.status_code, whole.content, whole.headers["ETag"]) == (200, b"0123456789", f'"{sha256}"')
    for asked, status, content in (
        ("4-", 206, b"456789"),
        ("2-4", 206, b"234"),
        ("10-", 416, b""),
        ("x-", 200, whole.content),
    ):
        answer = mini.get(sha256, Range=f"bytes={asked}")
        assert (answer.status_code, answer.content) == (status, content)
    assert mini.get(sha256, Range="bytes=2-4").headers["Content-Range"] == "bytes 2-4/10"


def test_nothing_is_served_without_leave(mini: Mini) -> None:
    sha256 = mini.put("a", b"secret")
    other = mini.put("b", b"other")
    for token in ("nonsense", mini.grant(other), mini.grant(sha256, host="studio")):
        answer = mini.get(sha256, token)
        assert (answer.status_code, answer.content) == (403, b"")
    assert httpx2.get(f"{mini.url}/v1/blobs/{sha256}", trust_env=False).status_code == 403


@pytest.mark.parametrize(
    "path", ["/", "/v1/blobs/", "/v1/blobs/../../etc/passwd", "/v1/blobs//etc/passwd", "/etc/passwd"]
)
def test_paths_are_never_served(mini: Mini, path: str) -> None:
    assert httpx2.get(mini.url + path, trust_env=False).status_code == 404


def test_only_what_the_front_door_knows_is_served(mini: Mini) -> None:
    (mini.folder / "unknown").write_bytes(b"unknown")
    assert mini.get(hashlib.sha256(b"unknown").hexdigest()).status_code == 404


def test_a_file_that_changed_its_size_or_is_gone_is_not_served(mini: Mini) -> None:
    changed, gone = mini.put("a", b"one"), mini.put("b", b"two")
    (mini.folder / "a").write_bytes(b"three")
    (mini.folder / "b").unlink()
    assert [mini.get(one).status_code for one in (changed, gone)] == [404, 404]


def test_while_the_front_door_is_away_only_known_files_are_served(mini: Mini) -> None:
    mini.away = True
    answer = mini.get("0" * 64)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


# --- fetching ------------------------------------------------------------------------------


@dataclass
class Neighbours(AloneInTheFleet):
    """A fleet in which every wanted file is offered by these hosts, in order."""

    offers: list[Mini]
    files: dict[str, bytes]

    def sources(self, ask: Sources) -> Sourced:
        found = []
        for file in ask.files:
            sha256 = hashlib.sha256(self.files[file.name]).hexdigest()
            peers = [Peer(host=f"mini-{i}", url=one.url, grant=one.grant(sha256)) for i, one in enumerate(self.offers)]
            found.append(SourcedFile(name=file.name, sha256=sha256, peers=peers))
        return Sourced(files=found)


@dataclass
class FleetContext(StoreContext):
    neighbours: FleetStore = field(default_factory=AloneInTheFleet)
    #: What the download measured.
    transfers: list[Transfer] = field(default_factory=list)

    @property
    def fleet(self) -> FleetStore:
        return self.neighbours


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        yield hub


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    tiny = Path(random_llama(tmp_path / "tiny").path)
    return {file.name: file.read_bytes() for file in tiny.iterdir()}


def fetched(hub: HubServer, tmp_path: Path, files: dict[str, bytes], *offers: Mini) -> FleetContext:
    """A download on a host with these neighbours; what arrived is what was published."""
    commit = hub.add("org/tiny", files).commit
    context = FleetContext(tmp_path, hub=hub.url, neighbours=Neighbours(list(offers), files))
    context.transfers = Download(model="org/tiny").run(context).transfers
    snapshot = tmp_path / "hub" / "models--org--tiny" / "snapshots" / commit
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == files
    return context


def content_of(hub: HubServer) -> list[str]:
    return sorted(seen.path.rpartition("/")[2] for seen in hub.content_requests() if "/resolve/" in seen.path)


def test_the_hub_is_not_asked_for_what_a_neighbour_has(
    hub: HubServer, mini: Mini, tmp_path: Path, files: dict[str, bytes]
) -> None:
    for name, content in files.items():
        mini.put(name, content)
    context = fetched(hub, tmp_path, files, mini)
    assert content_of(hub) == []
    assert "downloading from mini-0" in context.phases
    assert any("came from mini-0" in line for line in context.lines)


def test_what_a_neighbour_lacks_comes_from_the_hub(
    hub: HubServer, mini: Mini, tmp_path: Path, files: dict[str, bytes]
) -> None:
    for name in files.keys() - {"config.json"}:
        mini.put(name, files[name])
    context = fetched(hub, tmp_path, files, mini)
    assert content_of(hub) == ["config.json"]
    brought = {transfer.source: transfer.bytes for transfer in context.transfers}
    own = len(files["config.json"])
    assert brought == {"peer": sum(map(len, files.values())) - own, "hub": own}
    assert any("mini-0 could not give config.json" in line for line in context.lines)


def test_a_damaged_copy_is_noticed_and_fetched_from_the_hub(
    hub: HubServer, mini: Mini, tmp_path: Path, files: dict[str, bytes]
) -> None:
    for name, content in files.items():
        mini.put(name, content)
    weights = files["model.safetensors"]
    (mini.folder / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    context = fetched(hub, tmp_path, files, mini)
    assert content_of(hub) == ["model.safetensors"]
    assert any("came damaged" in line for line in context.lines)


def test_a_neighbour_that_is_gone_is_passed_over(
    hub: HubServer, mini: Mini, tmp_path: Path, files: dict[str, bytes]
) -> None:
    gone = Mini(mini.folder, PeerServer("127.0.0.1", 0, "mini", KEY, mini.server.blobs))
    gone.server.close()
    for name, content in files.items():
        mini.put(name, content)
    fetched(hub, tmp_path, files, gone, mini)
    assert content_of(hub) == []


def test_what_was_in_the_cache_before_is_not_ours(
    hub: HubServer, mini: Mini, tmp_path: Path, files: dict[str, bytes]
) -> None:
    context = fetched(hub, tmp_path, files, mini)
    again = Download(model="org/tiny").run(context).installs
    assert [record.source for record in again] == ["huggingface"]
    context.attempt = 2
    assert [record.source for record in Download(model="org/tiny").run(context).installs] == ["cidermill"]
