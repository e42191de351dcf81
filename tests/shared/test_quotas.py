"""What a key may use, window by window."""

from __future__ import annotations

import pytest

from shared.errors import QuotaExceeded
from shared.quotas import Account

#: A full day, so that every window begins here.
_MIDNIGHT = 86_400.0 * 20_000


def test_the_last_request_of_a_window_is_followed_by_none_until_the_next() -> None:
    account, limits = Account(), {"requests/minute": 2}
    for _ in range(2):
        account.admit(limits, _MIDNIGHT + 50)
    with pytest.raises(QuotaExceeded) as refused:
        account.admit(limits, _MIDNIGHT + 50.5)
    assert refused.value.problem.details["retry_after"] == 10
    account.admit(limits, _MIDNIGHT + 60)


def test_tokens_are_counted_when_they_were_used() -> None:
    account, limits = Account(), {"tokens/hour": 100}
    account.admit(limits, _MIDNIGHT)
    account.leave(150, _MIDNIGHT)
    with pytest.raises(QuotaExceeded):
        account.admit(limits, _MIDNIGHT + 3599)
    account.admit(limits, _MIDNIGHT + 3600)


def test_requests_at_once_are_limited_until_one_leaves() -> None:
    account, limits = Account(), {"concurrent": 1}
    account.admit(limits, _MIDNIGHT)
    with pytest.raises(QuotaExceeded):
        account.admit(limits, _MIDNIGHT)
    account.leave(0, _MIDNIGHT)
    account.admit(limits, _MIDNIGHT)


def test_what_is_refused_is_not_counted() -> None:
    account, limits = Account(), {"requests/minute": 0, "requests/day": 5}
    for _ in range(9):
        with pytest.raises(QuotaExceeded):
            account.admit(limits, _MIDNIGHT)
    assert [standing.left for standing in account.standings(limits, _MIDNIGHT)] == [0, 5]


def test_many_requests_are_admitted_all_or_none() -> None:
    account, limits = Account(), {"requests/day": 5, "concurrent": 1}
    account.admit_many(3, limits, _MIDNIGHT)
    with pytest.raises(QuotaExceeded):
        account.admit_many(3, limits, _MIDNIGHT)
    account.admit_many(2, limits, _MIDNIGHT)
