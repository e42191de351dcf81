"""The hub is asked once, while somebody waits."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shared.errors import Unavailable
from shared.store.hub_search import search
from shared.vocabulary import Format
from tests.hub import TOKEN, Fault, HubServer, running_hub


@pytest.fixture
def server() -> Iterator[HubServer]:
    with running_hub() as hub:
        hub.add("org/tiny", {"m.gguf": b"weights"}, gated=True)
        hub.add("org/tiny-two", {"m.safetensors": b"weights", "config.json": b"{}"})
        yield hub


def test_what_is_found_is_told_with_formats_licence_and_time(server: HubServer) -> None:
    two, tiny = search(server.url, None, "tiny", limit=20)
    assert (two.id, two.formats, two.downloads, two.gated) == ("org/tiny-two", [Format.SAFETENSORS], 200, False)
    assert (tiny.id, tiny.formats, tiny.licence, tiny.gated) == ("org/tiny", [Format.GGUF], "apache-2.0", True)
    assert (tiny.task, tiny.updated_at) == ("text-generation", 1767323045.0)
    assert search(server.url, TOKEN, "tiny", limit=1) == [two]
    assert search(f"{server.url}/", None, "tiny", limit=20, kind=Format.GGUF) == [tiny]
    assert [seen.authorization for seen in server.seen] == [None, f"Bearer {TOKEN}", None]


@pytest.mark.parametrize(
    ("status", "headers", "after"), [(429, {"Retry-After": "3"}, 3), (503, {}, None), (401, {}, None)]
)
def test_a_hub_that_refuses_is_not_asked_again(
    server: HubServer, status: int, headers: dict[str, str], after: int | None
) -> None:
    server.info_faults.append(Fault(status=status, headers=headers))
    with pytest.raises(Unavailable) as refused:
        search(server.url, None, "tiny", limit=20)
    assert refused.value.problem.details.get("retry_after") == after
    assert len(server.seen) == 1


def test_what_is_no_list_of_models_is_said_to_be_none(server: HubServer) -> None:
    server.info_faults.append(Fault(status=200))
    with pytest.raises(Unavailable, match="not answer as a hub does"):
        search(server.url, None, "tiny", limit=20)


def test_a_hub_that_is_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable, match="does not answer"):
        search(f"http://127.0.0.1:{silent.getsockname()[1]}", None, "tiny", limit=20, timeout=0.1)
