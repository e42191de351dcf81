"""The demo's own word error rate."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demo.words import word_error_rate, words

some_words = st.lists(st.sampled_from(["best", "of", "times", "worst", "age"]), min_size=1, max_size=12).map(" ".join)


def test_case_and_punctuation_do_not_count() -> None:
    assert word_error_rate("It was the best, of times.", "it was the BEST of times") == 0


@pytest.mark.parametrize(
    ("heard", "rate"), [("a b c d", 0.0), ("a x c d", 0.25), ("a c d", 0.25), ("a b b c d", 0.25), ("", 1.0)]
)
def test_wrong_missing_and_added_words_count_one_each(heard: str, rate: float) -> None:
    assert word_error_rate("a b c d", heard) == rate


@given(some_words, some_words)
def test_it_agrees_with_jiwer(said: str, heard: str) -> None:
    assert word_error_rate(said, heard) == pytest.approx(jiwer.wer(said, heard))


def test_an_apostrophe_is_part_of_its_word() -> None:
    assert words("Don’t stop") == ["don't", "stop"]
