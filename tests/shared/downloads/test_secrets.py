"""Tokens and grants are told to whom they are for, and to nobody else: no log, no error, no redirect."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from shared.downloads.patience import Patience
from shared.errors import CidermillError
from shared.kinds.download import Download
from tests.handmade import gguf
from tests.hub import TOKEN, Fault, HubServer, running_hub
from tests.neighbours import FleetContext, Mini, Neighbours, serving

NAME, CONTENT = "model.gguf", gguf(data=100_000)
#: Each goes wrong in another place; one says what the address was, one sends us elsewhere.
FAULTS = [
    Fault(status=401, headers={"X-Error-Code": "GatedRepo"}),
    Fault(status=403),
    Fault(status=500),
    Fault(status=429, headers={"Retry-After": "0.01"}),
    Fault(drop_after=10),
    Fault(corrupt=True),
    Fault(status=302, headers={"Location": "http://127.0.0.1:9/x"}),
    Fault(instead=b"<html></html>"),
]


class Hurried(Download):
    patience: ClassVar[Patience] = Patience(tries=2, first=0.001, longest=0.002)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        hub.add("org/name", {NAME: CONTENT}, gated=True)
        yield hub


@pytest.fixture
def mini(tmp_path: Path) -> Iterator[Mini]:
    with serving(tmp_path / "mini") as host:
        host.put(NAME, CONTENT)
        yield host


def told(context: FleetContext, error: CidermillError | None) -> str:
    """All that people may read of it."""
    said = [*context.lines, *context.phases, *(str(report) for report in context.reports), repr(context.store())]
    return "\n".join([*said, *((str(error), error.problem.model_dump_json()) if error is not None else ())])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("asked", ["of the list of files", "of a file"])
def test_the_token_of_a_host_is_in_nothing_that_is_said(
    tmp_path: Path,
    hub: HubServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    fault: Fault,
    asked: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    context = FleetContext(tmp_path, hub=hub.url, token=TOKEN)
    (hub.info_faults if asked == "of the list of files" else hub.faults).extend([fault] * 4)
    error = None
    try:
        Hurried(model="org/name").run(context)
    except CidermillError as caught:
        error = caught
    shown = capfd.readouterr()
    assert TOKEN not in told(context, error) + caplog.text + shown.out + shown.err
    assert any(seen.authorization == f"Bearer {TOKEN}" for seen in hub.seen)


def test_grants_are_in_nothing_that_is_said(
    tmp_path: Path, hub: HubServer, mini: Mini, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    mini.key = b"of another token"
    neighbours = Neighbours([mini], {NAME: CONTENT})
    context = FleetContext(tmp_path / "studio", hub=hub.url, token=TOKEN, neighbours=neighbours)
    Hurried(model="org/name").run(context)
    assert any("mini-0 could not give" in line for line in context.lines)
    shown = capfd.readouterr()
    # Every grant begins alike: what it says, before its signature.
    assert mini.grant("0" * 64)[:20] not in told(context, None) + caplog.text + shown.out + shown.err


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(tmp_path: Path, hub: HubServer) -> None:
    Hurried(model="org/name").run(FleetContext(tmp_path, hub=hub.url, token=TOKEN))
    elsewhere = [seen for seen in hub.content_requests() if "/cdn/" in seen.path]
    assert elsewhere
    assert all(seen.authorization is None for seen in elsewhere)
