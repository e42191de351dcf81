from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from shared.downloads.digest import sha256
from shared.downloads.interrupt import Interrupt
from shared.downloads.meter import Meter
from shared.downloads.partial import opened
from shared.downloads.throttle import Throttle
from shared.downloads.transfer import Remote, receive
from shared.errors import DownloadFailed
from tests.hub import Fault, HubServer, running_hub

CONTENT = random.Random(1).randbytes(100_000)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as server:
        server.files["m.bin"] = (CONTENT, f'"{hashlib.sha256(CONTENT).hexdigest()}"')
        yield server


def fetch(folder: Path, remote: Remote, meter: Meter | None = None) -> bytes:
    """One try; what is here after it."""
    interrupt = Interrupt()
    with (
        httpx2.Client(timeout=60) as client,
        opened(folder / "growing", folder / "whole", sha256, interrupt) as growing,
    ):
        assert growing is not None
        receive(client, remote, growing, meter or Meter(None), interrupt)
        growing.complete(folder / "whole", hashlib.sha256(CONTENT).hexdigest())
    return (folder / "whole").read_bytes()


def test_a_file_larger_than_one_answer_comes_in_parts(tmp_path: Path, hub: HubServer) -> None:
    remote = Remote(f"{hub.url}/files/m.bin", "m.bin", size=len(CONTENT), part=40_000)
    assert fetch(tmp_path, remote) == CONTENT
    assert [seen.range for seen in hub.seen] == ["bytes=0-39999", "bytes=40000-79999", "bytes=80000-"]


def test_parts_are_no_matter_where_ranges_are_unknown(tmp_path: Path, hub: HubServer) -> None:
    hub.always = Fault(ignore_range=True)
    remote = Remote(f"{hub.url}/files/m.bin", "m.bin", size=len(CONTENT), part=40_000)
    assert fetch(tmp_path, remote) == CONTENT
    assert len(hub.seen) == 1


def test_content_of_another_name_is_not_kept(tmp_path: Path, hub: HubServer) -> None:
    remote = Remote(f"{hub.url}/files/m.bin", "m.bin", size=len(CONTENT), etag="0" * 64)
    with pytest.raises(DownloadFailed, match="not what it was"):
        fetch(tmp_path, remote)
    assert (tmp_path / "growing").stat().st_size == 0


def test_what_comes_from_within_the_fleet_is_not_paced(tmp_path: Path, hub: HubServer) -> None:
    remote = Remote(f"{hub.url}/files/m.bin", "m.bin", size=len(CONTENT), paced=False)
    assert fetch(tmp_path, remote, Meter(None, Throttle(1))) == CONTENT
