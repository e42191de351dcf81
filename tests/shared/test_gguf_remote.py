"""A GGUF header is read from a hub without its weights."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from shared import gguf_model
from shared.errors import DownloadFailed, GatedModel, InvalidInput, NotFound, Unavailable
from shared.gguf import Counted
from shared.gguf_remote import read_remote
from shared.units import MIB
from tests.handmade import LLAMA, gguf
from tests.hub import TOKEN, Fault, HubServer, running_hub

REPO, NAME = "someone/model-GGUF", "model-Q4_0-00001-of-00002.gguf"
WORDS = {**LLAMA, "tokenizer.ggml.tokens": [f"word number {number:09}" for number in range(60_000)]}
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as server:
        yield server


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client() as client:
        yield client


def address(hub: HubServer) -> str:
    return f"{hub.url}/{REPO}/resolve/{hub.repositories[REPO].commit}/{NAME}"


def test_only_the_header_comes_over_the_wire(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, {NAME: gguf(data=32 * MIB)})
    header = read_remote(address(hub), {}, client)
    assert gguf_model.shape(header).layers == 4
    assert hub.sent <= MIB


def test_a_long_vocabulary_is_read_in_few_growing_requests(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, {NAME: gguf(WORDS, data=8 * MIB)})
    header = read_remote(address(hub), {}, client)
    assert header.metadata["tokenizer.ggml.tokens"] == Counted(60_000)
    ranges = [seen.range for seen in hub.content_requests()]
    assert len({text for text in ranges if text}) == 3


def test_the_token_stays_with_the_hub(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, {NAME: gguf()}, gated=True)
    assert read_remote(address(hub), AUTHORISED, client).tensors == 1
    told = [seen.authorization for seen in hub.content_requests() if "/resolve/" not in seen.path]
    assert told
    assert not any(told)


def test_a_gated_model_needs_a_token(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, {NAME: gguf()}, gated=True)
    with pytest.raises(GatedModel):
        read_remote(address(hub), {}, client)


def test_a_server_without_ranges_is_left_after_the_header(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, {NAME: gguf(WORDS, data=32 * MIB)})
    hub.always = Fault(ignore_range=True)
    assert read_remote(address(hub), {}, client).tensors == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=429), Unavailable),
        (Fault(status=503), Unavailable),
        (Fault(status=416), DownloadFailed),
        (Fault(drop_after=100), Unavailable),
        (Fault(shift=8), DownloadFailed),
        (Fault(instead=b"<html>" + bytes(9000)), InvalidInput),
    ],
    ids=["too many requests", "down", "no such range", "dropped", "another part", "no GGUF at all"],
)
def test_what_goes_wrong_is_told_apart(
    hub: HubServer, client: httpx2.Client, fault: Fault, error: type[Exception]
) -> None:
    hub.add(REPO, {NAME: gguf()})
    hub.always = fault
    with pytest.raises(error):
        read_remote(address(hub), {}, client)


def test_a_file_that_is_not_there_is_said_to_be_missing(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, {"other.gguf": gguf()})
    with pytest.raises(NotFound):
        read_remote(address(hub), {}, client)
