"""The Range header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ranges import Span, read_range


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-3", Span(0, 4)),
        ("bytes=4-", Span(4, 6)),
        ("bytes=-3", Span(7, 3)),
        ("bytes=-99", Span(0, 10)),
        ("bytes=2-99", Span(2, 8)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
    ],
)
def test_one_range_is_read_and_the_rest_means_the_whole_file(header: str | None, span: Span | None) -> None:
    assert read_range(header, 10) == span


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_that_holds_nothing_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(ValueError, match="of 10"):
        read_range(header, 10)


@given(st.text(alphabet="bytes=-0123456789, ", max_size=30), st.integers(0, 50))
def test_whatever_comes_the_span_lies_in_the_file(header: str, size: int) -> None:
    try:
        span = read_range(header, size)
    except ValueError:
        return
    assert span is None or (span.start >= 0 and span.length > 0 and span.start + span.length <= size)
