"""Who should have how many slots."""

from __future__ import annotations

import pytest

from scheduler.simulate.fairness import fair_shares


def test_what_one_key_leaves_is_shared_by_the_others() -> None:
    wants = {"a": {"qwen": 1}, "b": {"qwen": 20}, "c": {"qwen": 20}}
    assert fair_shares(wants, {"qwen": 12}, {}) == pytest.approx({"a": 1, "b": 5.5, "c": 5.5})


def test_shares_follow_weights() -> None:
    wants = {"a": {"qwen": 20}, "b": {"qwen": 20}}
    assert fair_shares(wants, {"qwen": 12}, {"a": 2.0}) == pytest.approx({"a": 8, "b": 4})


def test_nobody_should_have_slots_of_a_model_they_do_not_want() -> None:
    """Only one of two keys can use the slots of phi: that it does takes nothing from the other."""
    wants = {"a": {"qwen": 20}, "b": {"qwen": 20, "phi": 20}}
    assert fair_shares(wants, {"qwen": 4, "phi": 8}, {}) == pytest.approx({"a": 4, "b": 8})


def test_who_has_enough_elsewhere_leaves_the_scarce_model_to_others_in_part() -> None:
    wants = {"a": {"qwen": 20}, "b": {"qwen": 20, "phi": 2}}
    assert fair_shares(wants, {"qwen": 6, "phi": 2}, {}) == pytest.approx({"a": 4, "b": 4})


def test_many_keys_that_want_the_same_share_alike() -> None:
    wants = {str(number): {"qwen": 5} for number in range(20)}
    assert fair_shares(wants, {"qwen": 10}, {}) == pytest.approx(dict.fromkeys(wants, 0.5))
