"""Parameters as people write them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cli.params import labels, pairs, read_params
from shared.errors import BadRequest


def test_values_that_are_json_are_read_as_json() -> None:
    found = pairs(["n=3", "on=true", "list=[1,2]", "text=hello world", "empty=", "rate=0.5"])
    assert found == {"n": 3, "on": True, "list": [1, 2], "text": "hello world", "empty": "", "rate": 0.5}


def test_a_dotted_name_nests() -> None:
    assert pairs(["spec.context=2048", "spec.slots=4"]) == {"spec": {"context": 2048, "slots": 4}}


def test_an_equals_sign_may_be_in_the_value() -> None:
    assert pairs(["prompt=1+1=2"]) == {"prompt": "1+1=2"}


def test_a_name_cannot_be_a_value_and_hold_others() -> None:
    with pytest.raises(BadRequest, match="spec"):
        pairs(["spec=1", "spec.slots=4"])


def test_labels_stay_text() -> None:
    assert labels(["team=7", "on=true"]) == {"team": "7", "on": "true"}
    assert labels(None) == {}


@pytest.mark.parametrize("text", ["novalue", "=x"])
def test_a_text_that_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="key=value"):
        pairs([text])


def test_params_come_from_a_file_from_stdin_or_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "params.json"
    file.write_text('{"model": "echo"}')
    monkeypatch.setattr("sys.stdin", io.StringIO('{"model": "echo"}'))
    assert read_params(f"@{file}") == read_params("-") == read_params('{"model": "echo"}') == {"model": "echo"}


@pytest.mark.parametrize("text", ["{", "[1]", "@/nowhere/params.json"])
def test_params_that_are_no_object_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read_params(text)
