"""Events as they are sent."""

from __future__ import annotations

from api.sse import frame


def test_an_event_is_one_line_of_json_with_its_name_and_number() -> None:
    said = frame({"text": "a\nb é"}, name="job", number=7)
    assert said == 'id: 7\nevent: job\ndata: {"text":"a\\nb é"}\n\n'.encode()


def test_half_a_character_ends_no_stream() -> None:
    assert frame({"text": "a\ud83d"}) == b'data: {"text":"a?"}\n\n'
