"""What lies on a host already, under another name, is not fetched to it: it gets a second name there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.downloads import second_name
from shared.downloads.interrupt import Interrupt, Interrupted
from shared.errors import DiskFull
from shared.kinds.download import Download
from shared.protocol import InstallRecord
from shared.store.wire import HereFile
from shared.units import GIB
from tests.handmade import gguf
from tests.hub import HubServer, running_hub
from tests.neighbours import FleetContext, Neighbours

CONTENT = gguf(data=200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        hub.add("org/name", {"model.gguf": CONTENT})
        yield hub


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """As another program keeps it."""
    path = tmp_path / "ollama" / f"sha256-{SHA256}"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def context(tmp_path: Path, hub: HubServer, theirs: Path) -> FleetContext:
    here = [HereFile(sha256=SHA256, path=str(theirs))]
    return FleetContext(tmp_path / "ours", hub=hub.url, neighbours=Neighbours([], {"model.gguf": CONTENT}, here=here))


def download(context: FleetContext) -> InstallRecord:
    [record] = Download(model="org/name").run(context).installs
    return record


def test_what_another_program_keeps_here_is_not_fetched(context: FleetContext, hub: HubServer, theirs: Path) -> None:
    record = download(context)
    assert hub.sent == 0
    assert Path(record.path).samefile(theirs)
    assert (record.source, record.files[0]["sha256"]) == ("cidermill", SHA256)
    assert any(f"as {theirs}" in line for line in context.lines)
    assert [path.name for path in Path(record.path).resolve().parent.iterdir()] == [SHA256]


def test_it_needs_no_room_on_the_disk(context: FleetContext) -> None:
    context.free = GIB
    assert Path(download(context).path).read_bytes() == CONTENT


def test_it_outlives_the_other_programs_name(context: FleetContext, theirs: Path) -> None:
    record = download(context)
    theirs.unlink()
    assert Path(record.path).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", b"", None])
def test_what_is_not_what_it_was_is_fetched(
    context: FleetContext, hub: HubServer, theirs: Path, content: bytes | None
) -> None:
    theirs.unlink() if content is None else theirs.write_bytes(content)
    assert Path(download(context).path).read_bytes() == CONTENT
    assert hub.sent == len(CONTENT)


def test_what_has_to_come_after_all_must_fit_on_the_disk(context: FleetContext, hub: HubServer, theirs: Path) -> None:
    theirs.unlink()
    context.free = GIB + len(CONTENT) - 1
    with pytest.raises(DiskFull):
        download(context)
    assert hub.sent == 0


def test_one_that_was_begun_ends_at_once(context: FleetContext, hub: HubServer) -> None:
    blobs = context.folder / "hub" / "models--org--name" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{SHA256}.cidermill.incomplete").write_bytes(CONTENT[:1000])
    download(context)
    assert hub.sent == 0
    assert [path.name for path in blobs.iterdir()] == [SHA256]


def test_reading_it_ends_with_the_download(theirs: Path, tmp_path: Path) -> None:
    interrupt = Interrupt()
    interrupt.set()
    with pytest.raises(Interrupted):
        second_name.give(theirs, tmp_path / "target", SHA256, interrupt)
    assert not (tmp_path / "target").exists()


def test_a_link_to_it_is_followed(theirs: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.gguf"
    link.symlink_to(theirs)
    assert second_name.give(link, tmp_path / "new" / "target", SHA256, Interrupt())
    target = tmp_path / "new" / "target"
    assert not target.is_symlink()
    assert target.samefile(theirs)
