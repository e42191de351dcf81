"""When silence counts as death."""

from __future__ import annotations

from scheduler.patience import Patience

LEASE = 10.0


def test_a_new_leader_waits_one_lease() -> None:
    patience = Patience(LEASE)
    assert not patience.over(100.0, silent=False)
    assert not patience.over(109.9, silent=False)
    assert patience.over(110.0, silent=False)


def test_after_an_outage_it_waits_again() -> None:
    patience = Patience(LEASE)
    patience.over(100.0, silent=False)
    assert patience.over(110.0, silent=False)
    patience.restart()
    assert not patience.over(111.0, silent=False)
    assert patience.over(121.0, silent=False)


def test_while_all_hosts_are_silent_nobody_is_given_up_and_for_a_lease_after() -> None:
    patience = Patience(LEASE)
    patience.over(100.0, silent=False)
    assert patience.over(110.0, silent=False)
    assert not patience.over(3700.0, silent=True), "a laptop woke up"
    assert not patience.over(3702.0, silent=False)
    assert patience.over(3710.0, silent=False)


def test_hosts_that_stay_silent_are_given_up_in_the_end() -> None:
    patience = Patience(LEASE)
    patience.over(100.0, silent=False)
    assert not any(patience.over(float(moment), silent=True) for moment in range(110, 170))
    assert patience.over(180.0, silent=True)
