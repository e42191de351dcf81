"""Finding the last answer of a talk in its prompt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.last_answer import last_answer


def prompt_of(messages: list[dict[str, Any]]) -> str:
    return "".join(f"<{one['role']}>{one['content'] or ''}</>" for one in messages) + "<assistant>"


def said(*turns: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in turns]


_CALL = [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        (said(("user", "hi"), ("assistant", "yes"), ("user", "more")), "yes</><user>"),
        (said(("assistant", "yes"), ("user", "more")), "yes</><user>"),
        (said(("user", "hi"), ("assistant", "hi"), ("user", "hi")), "hi</><user>"),
        (said(("user", "A"), ("assistant", "B"), ("user", "C"), ("assistant", "D"), ("user", "E")), "D</><user>"),
        (said(("user", "A"), ("assistant", "BAB"), ("user", "C"), ("assistant", "D")), "BAB</><user>"),
        (said(("user", "A "), ("assistant", "B"), ("user", ""), ("user", " C ")), "B</><user></><user> "),
        (said(("user", "A"), ("assistant", None), ("tool", "rain"), ("tool", "wind")), "</><assistant></><tool>"),
        (said(("assistant", None), ("tool", "rain"), ("tool", "wind")), "<assistant></><tool>"),
    ],
)
def test_it_is_between_what_was_said_before_and_after(messages: list[dict[str, Any]], answer: str) -> None:
    prompt = prompt_of(messages)
    place = last_answer(prompt, messages)
    assert place is not None
    assert prompt[slice(*place)] == answer


def test_what_is_said_in_parts_is_found_too() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    prompt = "<user>A</><assistant>one two</><user>one two</><assistant>"
    messages = said(("user", "A"), ("assistant", parts), ("user", parts))
    assert last_answer(prompt, messages) == (prompt.index("one"), prompt.rindex("one"))


def test_an_answer_that_the_template_changed_begins_after_what_was_said_before() -> None:
    prompt = "<user>Hello</><assistant>yes</><user>more</><assistant>"
    messages = said(("user", "Hello"), ("assistant", "<think>hm</think>yes"), ("user", "more"))
    assert last_answer(prompt, messages) == (prompt.index("</><assistant>"), prompt.index("more"))


@pytest.mark.parametrize(
    "messages",
    [
        None, "nonsense", [], [None, 5], [{}], said(("user", "hi")), said(("assistant", "yes")),
        said(("user", "hi"), ("assistant", "yes")), said(("user", "hi"), ("assistant", "yes"), ("user", None)),
        said(("user", "hi"), ("assistant", "yes"), ("user", "  ")), said(("assistant", "yes"), ("user", 5)),
        said(("user", "hi"), ("assistant", "yes"), ("user", "HTML &amp;")),
        said(("user", "else"), ("assistant", "no"), ("user", "more")),
        said(("user", "hi"), ("assistant", "yes"), ("user", [{"type": "text"}, 5])),
    ],
)  # fmt: skip
def test_there_is_none_where_nothing_tells(messages: Any) -> None:
    assert last_answer("<user>hi</><assistant>yes</><user>more</><assistant>", messages) is None


_TALK = st.lists(st.tuples(st.sampled_from(("user", "assistant", "tool", None)), st.none() | st.text("ab ")))


@given(_TALK, st.text("ab <>"))
def test_it_is_a_part_of_any_prompt(talk: list[tuple[Any, Any]], prompt: str) -> None:
    for text in (prompt, prompt_of(said(*talk))):
        begin, end = last_answer(text, said(*talk)) or (0, 0)
        assert 0 <= begin <= end <= len(text)
