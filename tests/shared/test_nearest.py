"""Did you mean …"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("inferense", ["inference", "download"], ["inference"]),
        ("SMOLLM2", ["smollm2-135m-instruct", "whisper"], ["smollm2-135m-instruct"]),
        ("", ["a", "b"], []),
        ("x", [], []),
    ],
)
def test_the_nearest_names_are_found(name: str, known: list[str], expected: list[str]) -> None:
    assert nearest(name, known) == expected


def test_it_says_what_there_is_when_nothing_is_near() -> None:
    assert did_you_mean("zzz", ["alpha", "beta"]) == "there are: alpha, beta"
    assert did_you_mean("zzz", []) == "there are none yet"
    assert did_you_mean("alpa", ["alpha", "beta"]) == "did you mean alpha"


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=20))
def test_only_known_names_are_named_and_none_twice(name: str, known: list[str]) -> None:
    found = nearest(name, known)
    assert set(found) <= set(known)
    assert len(found) == len(set(found)) <= 3


def test_what_is_too_long_is_compared_with_nothing() -> None:
    assert nearest("echo" * 1000, ["echo"]) == []
