"""What can go wrong with a host that gives a model: another host or the hub goes on, and no wrong file is ever kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import httpx2
import pytest

from shared.downloads import from_peer
from shared.downloads.from_web import place
from shared.downloads.patience import Patience
from shared.errors import CidermillError, DownloadFailed
from shared.kinds.download import Download
from shared.store import grant
from shared.store.wire import KnownModel, ShelfFile
from tests.handmade import gguf
from tests.hub import HubServer, running_hub
from tests.neighbours import FleetContext, Mini, Neighbours, serving
from tests.relay import Mishap, Relay, relaying

NAME = "model.gguf"
CONTENT = gguf(data=200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()

#: What happens to every answer of a host, and how many bytes may come of it although the file is not whole.
MISHAPS = {
    "hangs up at once": Mishap(cut=0),
    "dies midway": Mishap(cut=80_000),
    "dies before its last byte": Mishap(cut=-1),
    "falls silent": Mishap(stall=100_000),
    "damages the first byte": Mishap(flip=0),
    "damages one on the way": Mishap(flip=77_777),
    "damages the last byte": Mishap(flip=-1),
}
DAMAGING = {name for name, mishap in MISHAPS.items() if mishap.flip is not None}
#: Bytes that are here when the host is asked.
PHASES = {"from the first byte": 0, "from the middle": 90_000}
CASES = list(product(MISHAPS, PHASES))


def _expired(mini: Mini) -> None:
    mini.lifetimes = [-1000.0] * 99


def _for_another_key(mini: Mini) -> None:
    mini.key = grant.own_secret("ch_of_another_host")


def _gone(mini: Mini) -> None:
    (mini.folder / NAME).unlink()


def _shorter(mini: Mini) -> None:
    (mini.folder / NAME).write_bytes(CONTENT[:-1])


def _away(mini: Mini) -> None:
    mini.away = True


def _crowded(mini: Mini) -> None:
    while mini.server.seats.acquire(blocking=False):
        pass


#: What makes a host give nothing at all.
REFUSALS: dict[str, Callable[[Mini], None]] = {
    "its grants are over": _expired,
    "its token is another one": _for_another_key,
    "the file is gone": _gone,
    "the file has another size": _shorter,
    "it cannot ask what it has": _away,
    "all its seats are taken": _crowded,
}


@pytest.fixture(autouse=True)
def in_a_hurry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where a host falls silent is there anything to give up: elsewhere a slow machine would be given up."""
    silence = 2.0 if "falls silent" in request.node.name else 60.0
    monkeypatch.setattr(from_peer, "_TIMEOUT", httpx2.Timeout(silence, connect=60.0))
    monkeypatch.setattr(from_peer, "_PATIENCE", Patience(tries=2, first=0.001, longest=0.002, longest_asked=0.0))


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with running_hub() as server:
        server.add("org/name", {NAME: CONTENT})
        yield server


@pytest.fixture
def hub(server: HubServer) -> HubServer:
    server.sent = 0
    return server


@pytest.fixture
def mini(tmp_path: Path) -> Iterator[Mini]:
    with serving(tmp_path / "mini") as host:
        host.put(NAME, CONTENT)
        yield host


@pytest.fixture
def good(tmp_path: Path) -> Iterator[Mini]:
    with serving(tmp_path / "good") as host:
        host.put(NAME, CONTENT)
        yield host


@pytest.fixture
def cable(mini: Mini) -> Iterator[Relay]:
    """The host is reached through it."""
    with relaying(mini.server.port) as relay:
        mini.address = relay.url
        yield relay


def studio(folder: Path, hub: HubServer, *offers: Mini) -> FleetContext:
    """A host that lacks the model, with these neighbours."""
    return FleetContext(folder / "studio", hub=hub.url, neighbours=Neighbours(list(offers), {NAME: CONTENT}))


def already_here(context: FleetContext, count: int) -> None:
    partial = context.folder / "hub/models--org--name/blobs" / f"{SHA256}.cidermill.incomplete"
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(CONTENT[:count])


def arrived(context: FleetContext) -> bytes:
    (pointer,) = (context.folder / "hub/models--org--name/snapshots").glob("*/*")
    assert list(context.folder.rglob("*.incomplete")) == []
    return pointer.read_bytes()


@pytest.mark.parametrize(("name", "phase"), CASES)
def test_the_hub_goes_on_where_a_host_stopped(
    tmp_path: Path, hub: HubServer, mini: Mini, cable: Relay, name: str, phase: str
) -> None:
    context = studio(tmp_path, hub, mini)
    already_here(context, PHASES[phase])
    cable.mishaps.extend([MISHAPS[name]] * 99)
    Download(model="org/name").run(context)
    assert arrived(context) == CONTENT
    if name in DAMAGING:
        assert hub.sent == len(CONTENT)
        assert any("came damaged" in line for line in context.lines)
    else:
        # As long as it gives more each time, it is asked for the rest.
        assert hub.sent == len(CONTENT) - PHASES[phase] - cable.passed


@pytest.mark.parametrize(("name", "phase"), [case for case in CASES if case[0] not in DAMAGING])
def test_another_host_goes_on_where_one_stopped(
    tmp_path: Path, hub: HubServer, mini: Mini, good: Mini, cable: Relay, name: str, phase: str
) -> None:
    context = studio(tmp_path, hub, mini, good)
    already_here(context, PHASES[phase])
    cable.mishaps.extend([MISHAPS[name]] * 99)
    Download(model="org/name").run(context)
    assert arrived(context) == CONTENT
    assert hub.sent == 0


def test_a_host_that_stumbles_once_is_asked_again(tmp_path: Path, hub: HubServer, mini: Mini, cable: Relay) -> None:
    context = studio(tmp_path, hub, mini)
    cable.mishaps.append(Mishap(cut=80_000))
    Download(model="org/name").run(context)
    assert arrived(context) == CONTENT
    assert (hub.sent, cable.passed) == (0, len(CONTENT))


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_host_that_gives_nothing_costs_nothing(tmp_path: Path, hub: HubServer, mini: Mini, refusal: str) -> None:
    context = studio(tmp_path, hub, mini)
    REFUSALS[refusal](mini)
    Download(model="org/name").run(context)
    assert arrived(context) == CONTENT
    assert hub.sent == len(CONTENT)
    assert any("mini-0 could not give model.gguf" in line for line in context.lines)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_another_host_gives_what_one_does_not(
    tmp_path: Path, hub: HubServer, mini: Mini, good: Mini, refusal: str
) -> None:
    context = studio(tmp_path, hub, mini, good)
    REFUSALS[refusal](mini)
    Download(model="org/name").run(context)
    assert arrived(context) == CONTENT
    assert hub.sent == 0


# --- copies that come from hosts alone ----------------------------------------------------------


def local(context: FleetContext) -> Neighbours:
    """The model is one of a host's own: no hub has it."""
    neighbours = context.neighbours
    assert isinstance(neighbours, Neighbours)
    file = ShelfFile(name=NAME, size=len(CONTENT), sha256=SHA256)
    neighbours.models = [KnownModel(name="mine", files=[file], loaded=NAME)]
    return neighbours


def kept(context: FleetContext) -> list[bytes]:
    """Files that lie where a runtime would load them."""
    return [path.read_bytes() for path in context.folder.glob("models/copies/*/*") if path.is_file()
            and not path.name.startswith(".")]  # fmt: skip


@pytest.mark.parametrize("name", MISHAPS)
def test_a_copy_is_whole_or_is_not_there_and_goes_on_when_tried_again(
    tmp_path: Path, hub: HubServer, mini: Mini, cable: Relay, name: str
) -> None:
    context = studio(tmp_path, hub, mini)
    local(context)
    cable.mishaps.extend([MISHAPS[name]] * 2)
    with suppress(DownloadFailed):
        Download(model="local:/nowhere/model.gguf").run(context)
    assert kept(context) in ([], [CONTENT])
    cable.mishaps.clear()
    record = Download(model="local:/nowhere/model.gguf").run(context).installs[0]
    assert Path(record.path).read_bytes() == CONTENT
    assert record.files[0]["sha256"] == SHA256
    if name not in DAMAGING:
        assert cable.passed == len(CONTENT)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_copy_that_nobody_gives_fails_with_a_way_out(
    tmp_path: Path, hub: HubServer, mini: Mini, refusal: str
) -> None:
    context = studio(tmp_path, hub, mini)
    local(context)
    REFUSALS[refusal](mini)
    with pytest.raises(DownloadFailed) as caught:
        Download(model="local:/nowhere/model.gguf").run(context)
    assert "then retry the job" in caught.value.problem.fix
    assert kept(context) == []


def test_a_web_file_of_another_edition_is_replaced_by_the_one_that_a_host_has(
    tmp_path: Path, hub: HubServer, mini: Mini
) -> None:
    """They are of one size: only the checksum tells them apart."""
    context = studio(tmp_path, hub, mini)
    older = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    hub.files[NAME] = (older, None)
    address = f"url:{hub.url}/files/{NAME}"
    Download(model=address).run(context)
    neighbours = local(context)
    neighbours.files = {Path(place(address.removeprefix("url:"), tmp_path)).name: CONTENT}
    record = Download(model=address, sha256=SHA256).run(context).installs[0]
    assert (Path(record.path).read_bytes(), record.files[0]["sha256"]) == (CONTENT, SHA256)


def test_a_copy_that_lies_there_is_not_fetched_again(tmp_path: Path, hub: HubServer, mini: Mini, cable: Relay) -> None:
    context = studio(tmp_path, hub, mini)
    local(context)
    for _ in range(2):
        Download(model="local:/nowhere/model.gguf").run(context)
    assert cable.passed == len(CONTENT)


def test_what_a_host_calls_a_file_cannot_lead_out_of_the_copies(tmp_path: Path, hub: HubServer, mini: Mini) -> None:
    context = studio(tmp_path, hub, mini)
    neighbours = local(context)
    file = neighbours.models[0].files[0].model_copy(update={"name": "../../../escaped.gguf"})
    neighbours.models = [neighbours.models[0].model_copy(update={"files": [file]})]
    with pytest.raises((CidermillError, ValueError)):
        Download(model="local:/nowhere/model.gguf").run(context)
    assert list(tmp_path.rglob("escaped*")) == []
