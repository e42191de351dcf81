"""JSON as databases take it, whatever its texts hold."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.json_text import storable

_ODD = st.text(st.characters(exclude_categories=[]) | st.sampled_from('\\\0u0"\ud800\udc00\ufffd'))


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\0b", "a\ufffdb"), ("\\u0000", "\\u0000"), ("\\\0", "\\\ufffd"), ("\ud800", "?"), ("\U0001f600", "\U0001f600")],
)
def test_only_what_no_database_takes_is_replaced(text: str, kept: str) -> None:
    assert json.loads(storable({text: [text]})) == {kept: [kept]}


def test_what_is_no_number_of_json_is_null() -> None:
    odd = {"rate": math.nan, "cells": [math.inf, (-math.inf, 1.5)], "text": "NaN"}
    assert json.loads(storable(odd)) == {"rate": None, "cells": [None, [None, 1.5]], "text": "NaN"}


@given(_ODD)
def test_every_text_comes_back_as_what_can_be_stored(text: str) -> None:
    kept = json.loads(storable(text))
    assert kept == text.replace("\0", "\ufffd").encode(errors="replace").decode()
