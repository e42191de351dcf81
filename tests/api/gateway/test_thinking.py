"""Thoughts apart from answers, wherever an engine cuts its text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gateway.pieces import Text, Thought
from api.gateway.thinking import ThinkParser, split_thinking, strip_thinking

_TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<thi", "nk>", "</", "think", "<", ">", " ", "\n", "a", "é"]), max_size=12
).map("".join)


def parsed(pieces: list[str], *, opened: bool = False) -> tuple[str, str]:
    parser = ThinkParser(opened=opened)
    said = [piece for text in pieces for piece in parser.feed(text)] + parser.end()
    thought = "".join(piece.text for piece in said if isinstance(piece, Thought))
    return thought, "".join(piece.text for piece in said if isinstance(piece, Text))


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("hello", "", "hello"),
        ("<think>\nhm\n</think>\n\nhello", "hm\n", "hello"),
        ("\n <think>hm</think>hello", "hm", "hello"),
        ("<think>hm", "hm", ""),
        ("<think></think>hello", "", "hello"),
        ("<think>a < b </ c</think>yes", "a < b </ c", "yes"),
        ("<think>hm</think>use <think> twice</think>", "hm", "use <think> twice</think>"),
        ("a <think> tag opens a thought", "", "a <think> tag opens a thought"),
        ("hm</think>\n\nhello", "hm", "hello"),
        ("hm\n</think>", "hm\n", ""),
        ("`</think>` ends a thought", "", "`</think>` ends a thought"),
        ("so:\n<think>\nhm\n</think>\nyes", "", "so:\n<think>\nhm\n</think>\nyes"),
        ("<think> opens, </think>\nends", "opens, ", "ends"),
        ("hm</think>\nso:\n<think>\nhm\n</think>\nyes", "hm", "so:\n<think>\nhm\n</think>\nyes"),
        ("<thin", "", "<thin"),
        ("<think>hm</thin", "hm</thin", ""),
        ("", "", ""),
    ],
)
def test_a_whole_text_is_split(text: str, thought: str, answer: str) -> None:
    assert split_thinking(text) == (thought, answer)
    assert strip_thinking(text) == answer


@given(_TEXTS, st.data(), st.booleans())
def test_it_does_not_matter_where_a_text_is_cut(text: str, data: st.DataObject, opened: bool) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    edges = [0, *cuts, len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert parsed(pieces, opened=opened) == parsed([text], opened=opened)
    assert parsed(list(text), opened=opened) == parsed([text], opened=opened)


@given(_TEXTS)
def test_nothing_but_tags_and_space_around_them_is_lost(text: str) -> None:
    thought, answer = parsed([text])
    if text.lstrip().startswith("<think>"):
        kept, whole = thought + answer, text.replace("<think>", "", 1).replace("</think>", "", 1)
        assert "".join(kept.split()) == "".join(whole.split())
    else:
        assert (thought, answer) == ("", text)


@given(_TEXTS)
def test_little_is_held_back(text: str) -> None:
    parser = ThinkParser()
    said = sum(len(piece.text) for letter in "x" + text for piece in parser.feed(letter))
    assert said == len(text) + 1, "an answer goes on at once"


def test_a_template_may_have_opened_the_thought() -> None:
    assert parsed(["hm", "</thi", "nk>\n", "hello"], opened=True) == ("hm", "hello")
