"""Server-sent events, however the network cuts them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.sse import ServerEvent, read_events

STREAM = (
    b": ping\n\ndata: one\n\nevent: named\ndata: two\r\ndata:  lines\r\n\r\nid: 7\n\n"
    b"data: \xc3\xa9\n\ndata: [DONE]\n\ndata: cut"
)
EVENTS = [
    ServerEvent("message", "one"),
    ServerEvent("named", "two\n lines"),
    ServerEvent("message", "é"),
    ServerEvent("message", "[DONE]"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_do_not_depend_on_where_the_pieces_end(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    assert list(read_events(pieces)) == EVENTS
