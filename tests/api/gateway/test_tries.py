"""What is asked once more: what was lost before anything of it was told, and what was too long for one run."""

from __future__ import annotations

import pytest

from api.gateway.exchange import Exchange
from api.gateway.refusal import Lost
from api.gateway.routing import Reach
from api.gateway.seats import Seat
from api.gateway.tries import Tries
from shared.errors import CannotFit, ContextExceeded, Unavailable
from shared.requests import CHAT
from shared.vocabulary import Capability

_SEAT = Seat("run-1", 1, "mini", "m", "m", 512, Reach("http://127.0.0.1:1"), {})
_LOST = Lost(Unavailable("It went away", "it died", "ask again"))


def begun() -> Tries:
    return Tries(Exchange("m", Capability.GENERATE, CHAT, {}))


def too_long(tokens: int | None) -> ContextExceeded:
    return ContextExceeded("It is too long", "it has 600 tokens", "shorten it", tokens=tokens, context=512)


def test_a_run_that_was_lost_is_replaced_once() -> None:
    tries = begun()
    tries.again(_SEAT, _LOST)
    assert tries.lost == ["run-1"]
    with pytest.raises(Unavailable):
        tries.again(_SEAT, _LOST)


@pytest.mark.parametrize("error", [_LOST, too_long(600)])
def test_what_was_told_in_part_is_not_begun_again(error: Lost | ContextExceeded) -> None:
    with pytest.raises((Unavailable, ContextExceeded)):
        begun().again(_SEAT, error, told=True)


@pytest.mark.parametrize(("said", "tokens"), [(600, 600), (None, 512)])
def test_more_room_is_looked_for_once_and_is_more_than_there_was(said: int | None, tokens: int) -> None:
    tries = begun()
    tries.again(_SEAT, too_long(said))
    assert tries.exchange.tokens == tokens
    with pytest.raises(ContextExceeded):
        tries.again(_SEAT, too_long(said))


def test_where_no_room_is_to_be_had_the_request_is_too_long() -> None:
    tries, nowhere = (
        begun(),
        CannotFit("m cannot have 601 tokens of context", "it can have 512", "shorten it", most=512),
    )
    assert tries.nowhere(nowhere) is nowhere
    tries.again(_SEAT, too_long(600))
    said = tries.nowhere(nowhere)
    assert isinstance(said, ContextExceeded)
    assert said.problem.why == "it has 600 tokens; and m cannot have 601 tokens of context: it can have 512"
    assert said.problem.details["most"] == 512
