"""Every fault × kind of file × phase: the right bytes or a clear error, never a wrong file in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import ClassVar

import pytest

from shared.downloads.patience import Patience
from shared.errors import (
    ChecksumMismatch,
    CidermillError,
    DownloadFailed,
    ExecutionError,
    InvalidInput,
    NotFound,
)
from shared.kinds.download import Download
from tests.handmade import safetensors
from tests.hub import Fault, HubServer, running_hub
from tests.hub_content import blob_id
from tests.store_context import StoreContext

LARGE, SMALL = "model.safetensors", "config.json"
FILES = {LARGE: safetensors(150_000), SMALL: b'{"model_type": "llama"}' + b" " * 60_000}
#: Bytes of the file that are here when the fault comes.
PHASES = {"at its first byte": 0, "in its middle": 40_000, "at its last byte": -1}
PAGE = b"<html>Please sign in to this network</html>"

#: Faults, and what a download ends with when they never pass; each passes in its own time or never.
FAULTS: dict[str, tuple[Fault, type[CidermillError]]] = {
    "not signed in": (Fault(status=401, headers={"X-Error-Code": "GatedRepo"}), ExecutionError),
    "not allowed": (Fault(status=403), ExecutionError),
    "gone": (Fault(status=404), NotFound),
    "bad request": (Fault(status=400), InvalidInput),
    "timed out": (Fault(status=408), DownloadFailed),
    "slow down": (Fault(status=429, headers={"Retry-After": "0.01"}), DownloadFailed),
    "broken": (Fault(status=500), DownloadFailed),
    "unavailable": (Fault(status=503, headers={"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), DownloadFailed),
    "hung up at once": (Fault(drop_after=0), DownloadFailed),
    "hung up before the end": (Fault(drop_after=-1), DownloadFailed),
    "cut short": (Fault(length_off=-1), DownloadFailed),
    "too much": (Fault(length_off=1), DownloadFailed),
    "promised too much": (Fault(length_off=1000, noise=False), DownloadFailed),
    "damaged": (Fault(corrupt=True), ChecksumMismatch),
    "from another place": (Fault(shift=1), DownloadFailed),
    "a page instead": (Fault(instead=PAGE), DownloadFailed),
    "redirected to nowhere": (Fault(status=302, headers={"Location": "http://127.0.0.1:9/x"}), DownloadFailed),
    "redirected without place": (Fault(status=302), InvalidInput),
    "changed upstream": (Fault(linked_etag="0" * 64), DownloadFailed),
}
#: What no try of the same attempt can heal.
HOPELESS = {"not signed in", "not allowed", "gone", "bad request", "damaged", "redirected without place"}
#: Every byte comes all the same.
HARMLESS = {"promised too much"}
CASES = list(product(FAULTS, FILES, PHASES))


class Hurried(Download):
    patience: ClassVar[Patience] = Patience(tries=3, first=0.001, longest=0.002)


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with running_hub() as server:
        yield server


@pytest.fixture
def hub(server: HubServer) -> Iterator[HubServer]:
    server.add("org/name", dict(FILES))
    yield server
    server.faults.clear()
    server.always = Fault()


@pytest.fixture
def context(tmp_path: Path, hub: HubServer) -> StoreContext:
    return StoreContext(tmp_path, hub.url)


@pytest.mark.parametrize(("name", "file", "phase"), CASES)
def test_a_fault_that_passes(context: StoreContext, hub: HubServer, name: str, file: str, phase: str) -> None:
    fault, error = FAULTS[name]
    already_here(context, file, PHASES[phase])
    hub.faults.append(fault)
    caught = ending(context)
    if caught is not None:
        assert name in HOPELESS
        assert isinstance(caught, error | DownloadFailed)
        assert_explained(caught)
    assert_nothing_wrong_is_kept(context)
    hub.faults.clear()
    download(context)
    assert_whole(context)


@pytest.mark.parametrize(("name", "file", "phase"), CASES)
def test_a_fault_that_stays(context: StoreContext, hub: HubServer, name: str, file: str, phase: str) -> None:
    fault, error = FAULTS[name]
    already_here(context, file, PHASES[phase])
    hub.always = fault
    caught = ending(context)
    if caught is None:
        assert name in HARMLESS
    else:
        assert isinstance(caught, error)
        assert_explained(caught)
    assert_nothing_wrong_is_kept(context)
    hub.always = Fault()
    download(context)
    assert_whole(context)


@pytest.mark.parametrize("file", FILES)
def test_a_server_without_ranges_costs_bytes_but_no_harm(context: StoreContext, hub: HubServer, file: str) -> None:
    already_here(context, file, 40_000)
    hub.always = Fault(ignore_range=True)
    download(context)
    assert_whole(context)


@pytest.mark.parametrize("file", FILES)
def test_bytes_of_somebody_else_in_the_partial_file_are_found_out(
    context: StoreContext, hub: HubServer, file: str
) -> None:
    partial = partial_of(context, file)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"?" * 40_000)
    with pytest.raises(ChecksumMismatch):
        download(context)
    assert_nothing_wrong_is_kept(context)
    download(context)
    assert_whole(context)


def test_a_revision_that_moves_meanwhile_never_mixes(context: StoreContext, hub: HubServer) -> None:
    first = hub.repositories["org/name"]
    newer = {LARGE: safetensors(160_000), SMALL: FILES[SMALL] + b" "}
    moved: list[str] = []

    def move() -> None:
        if not moved:
            moved.append(hub.add("org/name", newer).commit)
            hub.repositories["org/name"].refs[first.commit] = first.commit

    hub.asked = move
    caught = ending(context)
    hub.asked = lambda: None
    assert_nothing_wrong_is_kept(context)
    if caught is None:
        # Both answers had begun before the move: then all of them are of the first edition.
        assert contents(context, first.commit) == FILES
    download(context)
    assert contents(context, moved[0]) == newer


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_hub_that_fails_before_anything_is_known(context: StoreContext, hub: HubServer, status: int) -> None:
    hub.info_faults.extend([Fault(status=status)] * 3)
    with pytest.raises(CidermillError) as caught:
        download(context)
    assert_explained(caught.value)
    hub.info_faults.clear()
    download(context)
    assert_whole(context)


# --- what is here ------------------------------------------------------------------------------


def download(context: StoreContext) -> None:
    Hurried(model="org/name").run(context)


def ending(context: StoreContext) -> CidermillError | None:
    """How a download ends: `None` when all is well."""
    try:
        download(context)
    except CidermillError as error:
        return error
    return None


def already_here(context: StoreContext, file: str, count: int) -> None:
    """As an earlier attempt would have left it."""
    partial = partial_of(context, file)
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(FILES[file][:count])
    other = SMALL if file == LARGE else LARGE
    partial_of(context, other).write_bytes(FILES[other])


def partial_of(context: StoreContext, file: str) -> Path:
    name = hashlib.sha256(FILES[file]).hexdigest() if file == LARGE else blob_id(FILES[file])
    return context.folder / "hub/models--org--name/blobs" / f"{name}.cidermill.incomplete"


def contents(context: StoreContext, commit: str) -> dict[str, bytes]:
    snapshot = context.folder / "hub/models--org--name/snapshots" / commit
    return {path.name: path.read_bytes() for path in snapshot.iterdir()}


def assert_explained(error: CidermillError) -> None:
    problem = error.problem
    assert problem.what
    assert problem.why
    assert problem.fix
    assert isinstance(error, ExecutionError | NotFound) or problem.retryable


def assert_nothing_wrong_is_kept(context: StoreContext) -> None:
    """Each content in the cache is what its name says, and each name in a snapshot leads to a whole one."""
    cache = context.folder / "hub"
    for blob in cache.glob("*/blobs/*"):
        if not blob.name.endswith(".incomplete"):
            content = blob.read_bytes()
            assert blob.name in (hashlib.sha256(content).hexdigest(), blob_id(content))
    for pointer in cache.glob("*/snapshots/*/*"):
        assert pointer.resolve().is_file()


def assert_whole(context: StoreContext) -> None:
    (snapshot,) = (context.folder / "hub/models--org--name/snapshots").iterdir()
    assert contents(context, snapshot.name) == FILES
    assert list(context.folder.rglob("*.incomplete")) == []
