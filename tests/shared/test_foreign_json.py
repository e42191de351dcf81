"""What other programs write as JSON comes in as everybody after us can read it."""

from __future__ import annotations

import json

import pytest

from shared.foreign_json import read_foreign
from shared.requests import read_line

_HALF = '{"custom_id": "a\\ud83d", "body": {"prompt": "b\\uDC00c"}}'


@pytest.mark.parametrize(
    "written", [_HALF, _HALF.encode(), _HALF.replace("\\ud83d", "\ud83d").encode(errors="surrogatepass")]
)
def test_half_a_character_becomes_a_question_mark(written: bytes | str) -> None:
    assert read_foreign(written) == {"custom_id": "a?", "body": {"prompt": "b?c"}}


@pytest.mark.parametrize("written", ['{"a": "\\ud83d\\ude00"}', '{"a": "\U0001f600"}'])
def test_whole_characters_stay(written: str) -> None:
    assert read_foreign(written) == read_foreign(written.encode()) == {"a": "\U0001f600"}


@pytest.mark.parametrize("levels", [150, 500, 100_000])
def test_what_is_nested_too_deep_is_refused(levels: int) -> None:
    with pytest.raises(ValueError, match="deep"):
        read_foreign("[" * levels + "]" * levels)


def test_a_line_of_a_job_s_file_comes_whole() -> None:
    request = read_line(_HALF.encode())
    assert (request.custom_id, request.body) == ("a?", {"prompt": "b?c"})


def test_a_line_that_is_nested_too_deep_says_so() -> None:
    body = json.dumps({"body": {"prompt": "x", "extra": "?"}})
    with pytest.raises(ValueError, match="deep"):
        read_line(body.replace('"?"', "[" * 220 + "]" * 220).encode())
