"""One scheduler leads; its epoch is its own, for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.db import Database
from shared.errors import StaleTransition
from shared.leader import Fence, check, lead, resign
from tests.fleet import Fleet


@pytest.fixture
def free(fleet: Fleet) -> Fleet:
    """A fleet whose first scheduler has resigned: epoch 1 is over."""
    fleet.do(resign, fleet.fence)
    return fleet


def test_the_first_that_asks_leads_and_the_other_waits(free: Fleet) -> None:
    fence = free.do(lead, "a", 10.0)
    assert fence == Fence("a", 2)
    assert free.do(lead, "b", 10.0) is None
    free.do(check, fence)


def test_renewing_keeps_the_epoch(free: Fleet) -> None:
    fence = free.do(lead, "a", 10.0)
    free.wait(9)
    assert free.do(lead, "a", 10.0) == fence
    free.wait(9)
    free.do(check, fence)


def test_a_lead_that_ran_out_is_taken_by_another(free: Fleet) -> None:
    old = free.do(lead, "a", 10.0)
    free.wait(10)
    assert free.do(lead, "b", 10.0) == Fence("b", 3)
    with pytest.raises(StaleTransition):
        free.do(check, old)
    assert free.do(lead, "a", 10.0) is None


def test_a_lead_that_ran_out_is_no_lead_even_if_nobody_took_it(free: Fleet) -> None:
    fence = free.do(lead, "a", 10.0)
    free.wait(10)
    with pytest.raises(StaleTransition):
        free.do(check, fence)


def test_whoever_takes_the_lead_again_gets_a_new_epoch(free: Fleet) -> None:
    epochs = []
    for holder in ("a", "a", "b", "a", "b"):
        fence = free.do(lead, holder, 10.0)
        assert fence is not None
        epochs.append(fence.epoch)
        free.wait(10)
    assert epochs == [2, 3, 4, 5, 6]


def test_who_resigns_lets_another_lead_at_once(free: Fleet) -> None:
    fence = free.do(lead, "a", 10.0)
    assert fence is not None
    free.do(resign, fence)
    assert free.do(lead, "b", 10.0) == Fence("b", 3)


def test_only_the_leader_can_resign(free: Fleet) -> None:
    fence = free.do(lead, "a", 10.0)
    free.do(resign, Fence("b", 2))
    free.do(resign, Fence("a", 1))
    assert fence is not None
    free.do(check, fence)


def test_a_lead_that_is_checked_twice_in_a_transaction_is_asked_for_once(free: Fleet) -> None:
    fence = free.do(lead, "a", 10.0)
    assert fence is not None
    with free.database.write() as session:
        check(session, fence)
        check(session, fence)
        with pytest.raises(StaleTransition):
            check(session, Fence("a", 1))


def test_of_eight_that_ask_together_one_leads(database: Database) -> None:
    def ask(number: int) -> Fence | None:
        with database.write() as session:
            return lead(session, f"scheduler-{number}", 60.0)

    with ThreadPoolExecutor(8) as pool:
        fences = [fence for fence in pool.map(ask, range(8)) if fence is not None]
    assert len(fences) == 1
    assert fences[0].epoch == 1
