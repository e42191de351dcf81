"""A host serves its models to who may have them; fetching from it ends with the right bytes, or goes on elsewhere."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from shared.kinds.download import Download
from tests.hub import HubServer, running_hub
from tests.models import random_llama
from tests.neighbours import KEY, FleetContext, Mini, Neighbours, serving
from tests.waiting import eventually
from workers.agent.peer import PeerServer


@pytest.fixture
def mini(tmp_path: Path) -> Iterator[Mini]:
    with serving(tmp_path / "served") as host:
        yield host


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
    assert httpx2.get(f"{mini.url}/v1/blobs/{sha256}", trust_env=False, timeout=60).status_code == 403


@pytest.mark.parametrize(
    "path", ["/", "/v1/blobs/", "/v1/blobs/../../etc/passwd", "/v1/blobs//etc/passwd", "/etc/passwd"]
)
def test_paths_are_never_served(mini: Mini, path: str) -> None:
    assert httpx2.get(mini.url + path, trust_env=False, timeout=60).status_code == 404


def test_strangers_take_no_more_than_a_part_of_what_the_agent_may_have_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeerServer, "most", 2)
    with serving(tmp_path / "served") as mini, ExitStack() as strangers:
        address = urlsplit(mini.url).hostname, urlsplit(mini.url).port
        silent = [strangers.enter_context(socket.create_connection(address, timeout=30)) for _ in range(3)]
        assert silent[2].recv(1) == b"", "the third is sent away"
        silent[0].close()
        eventually(lambda: _answers(mini))


@pytest.mark.parametrize("begun", [b"GE", b"GET / HTTP/1.1\r\nX-Slow: ", b"GET / HTTP/1.1\r\n\r\nGE"])
def test_who_sends_a_head_byte_by_byte_is_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(PeerServer, "head_seconds", 0.5)
    with serving(tmp_path / "served") as mini:
        address = urlsplit(mini.url).hostname, urlsplit(mini.url).port
        with socket.create_connection(address, timeout=0.05) as stranger:
            stranger.sendall(begun)
            eventually(lambda: _ended_by_the_next_byte(stranger))
        # Its head has half a second, too, which a busy machine may miss.
        eventually(lambda: _answers(mini))


def _ended_by_the_next_byte(stranger: socket.socket) -> bool:
    try:
        stranger.sendall(b"x")
        while stranger.recv(1024):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_a_thread_that_cannot_be_started_takes_nobodys_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PeerServer, "most", 1)
    start, tries = threading.Thread.start, []

    def refused(thread: threading.Thread) -> None:
        tries.append(thread)
        raise RuntimeError("can't start new thread")

    with serving(tmp_path / "served") as mini:
        monkeypatch.setattr(threading.Thread, "start", refused)
        with pytest.raises(httpx2.TransportError):
            httpx2.get(mini.url, trust_env=False, timeout=60)
        monkeypatch.setattr(threading.Thread, "start", start)
        assert tries
        assert httpx2.get(mini.url, trust_env=False, timeout=60).status_code == 404


def _answers(mini: Mini) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(mini.url, trust_env=False, timeout=60).status_code == 404
    return False


def test_only_what_the_front_door_knows_is_served(mini: Mini) -> None:
    (mini.folder / "unknown").write_bytes(b"unknown")
    assert mini.get(hashlib.sha256(b"unknown").hexdigest()).status_code == 404


def test_a_file_that_came_a_moment_after_another_was_asked_for_is_served(mini: Mini) -> None:
    first = mini.put("a", b"one")
    assert mini.get(first).content == b"one"
    later = mini.put("b", b"two")
    assert mini.get(later).content == b"two"
    # It lies elsewhere now, as the front door knows.
    (mini.folder / "b").unlink()
    assert mini.get(mini.put("c", b"two")).content == b"two"


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
    Download(model="org/tiny").run(context)
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
