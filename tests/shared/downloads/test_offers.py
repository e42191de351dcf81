"""Grants end while a transfer runs: the front door is asked for new ones, by the one thread that talks to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.downloads.interrupt import Interrupted
from shared.downloads.offers import FRESH, Offers
from shared.downloads.watch import Watch
from shared.errors import Unavailable
from shared.hub import HubFile
from shared.kinds.download import Download
from shared.references import ModelRef
from shared.store.grant import LIFETIME
from shared.store.wire import Sourced, Sources
from tests.handmade import gguf
from tests.hub import HubServer, running_hub
from tests.neighbours import FleetContext, Mini, Neighbours, serving

FILES = {f"part-{number}.gguf": gguf(data=4096 * (number + 1)) for number in range(6)}
WANTED = [HubFile(name=name, size=len(content)) for name, content in FILES.items()]
MODEL = ModelRef.parse("hf:org/parts")


@pytest.fixture
def mini(tmp_path: Path) -> Iterator[Mini]:
    with serving(tmp_path / "mini") as host:
        for name, content in FILES.items():
            host.put(name, content)
        yield host


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        hub.add("org/parts", dict(FILES))
        yield hub


def studio(tmp_path: Path, mini: Mini, hub: str = "") -> tuple[FleetContext, Neighbours]:
    neighbours = Neighbours([mini], FILES)
    return FleetContext(tmp_path / "studio", hub=hub, neighbours=neighbours), neighbours


def test_grants_that_are_over_are_renewed_once_for_all_files(tmp_path: Path, mini: Mini, hub: HubServer) -> None:
    context, neighbours = studio(tmp_path, mini, hub.url)
    mini.lifetimes = [-2 * LIFETIME] * len(FILES)
    Download(model="org/parts", include=("*",)).run(context)
    assert hub.sent == 0
    assert neighbours.asked == 2


def test_a_host_that_refuses_new_grants_too_is_left_alone(tmp_path: Path, mini: Mini, hub: HubServer) -> None:
    context, neighbours = studio(tmp_path, mini, hub.url)
    mini.key = b"of another token"
    Download(model="org/parts", include=("*",)).run(context)
    assert hub.sent == sum(map(len, FILES.values()))
    assert neighbours.asked <= 1 + len(FILES)


class AwayLater(Neighbours):
    """A front door that answers once."""

    def sources(self, ask: Sources) -> Sourced:
        return super().sources(ask) if not self.asked else Sourced()


def test_while_the_front_door_is_away_the_hub_goes_on(tmp_path: Path, mini: Mini, hub: HubServer) -> None:
    mini.lifetimes = [-2 * LIFETIME] * len(FILES)
    context = FleetContext(tmp_path / "studio", hub=hub.url, neighbours=AwayLater([mini], FILES))
    Download(model="org/parts", include=("*",)).run(context)
    assert hub.sent == sum(map(len, FILES.values()))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_front_door_is_asked_again_before_grants_end(tmp_path: Path, mini: Mini) -> None:
    context, neighbours = studio(tmp_path, mini)
    clock = Clock()
    with Watch(context) as watch:
        offers = Offers(watch, MODEL, WANTED, clock)
        first = watch.one(lambda: offers.of("part-0.gguf"))
        clock.now = FRESH - 1
        assert watch.one(lambda: offers.of("part-0.gguf")) == first
        assert neighbours.asked == 1
        clock.now = FRESH
        edition, renewed = watch.one(lambda: offers.of("part-0.gguf"))
        assert (edition, neighbours.asked) == (first[0] + 1, 2)
        assert renewed is not None
        assert first[1] is not None
        assert renewed.peers[0].grant != first[1].peers[0].grant
    assert FRESH < LIFETIME


def test_a_question_is_answered_by_the_thread_that_watches(tmp_path: Path, mini: Mini) -> None:
    context, _ = studio(tmp_path, mini)
    with Watch(context) as watch:
        asked = watch.all([lambda: (threading.get_ident(), watch.ask(threading.get_ident)) for _ in range(8)])
    here = threading.get_ident()
    assert all(answerer == here != asker for asker, answerer in asked)


def test_an_error_of_the_answer_is_the_askers(tmp_path: Path, mini: Mini) -> None:
    context, _ = studio(tmp_path, mini)

    def away() -> None:
        raise Unavailable("The front door is away")

    with Watch(context) as watch, pytest.raises(Unavailable):
        watch.one(lambda: watch.ask(away))


def test_who_asks_is_interrupted_with_everything_else(tmp_path: Path, mini: Mini) -> None:
    context, _ = studio(tmp_path, mini)
    with Watch(context) as watch:
        watch.interrupt.set()
        with pytest.raises(Interrupted):
            watch.ask(threading.get_ident)
