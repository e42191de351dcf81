"""What an alias says where a request says nothing."""

from __future__ import annotations

from api.gateway.defaults import filled, loaded
from shared.runtimes import RunSpec

_ASKED = {"messages": [{"role": "user", "content": "hi"}], "temperature": 1.0}


def test_a_request_comes_before_the_defaults() -> None:
    assert filled(_ASKED, {"temperature": 0.1, "top_k": 3, "context": 99}) == {**_ASKED, "top_k": 3}


def test_a_system_message_begins_chats_that_have_none() -> None:
    first = {"role": "system", "content": "Be brief."}
    assert filled(_ASKED, {"system": "Be brief."})["messages"][0] == first
    instructed = {"messages": [{"role": "developer", "content": "x"}]}
    assert filled(instructed, {"system": "Be brief."}) == instructed
    assert filled({"prompt": "hi"}, {"system": "Be brief."}) == {"prompt": "hi"}


def test_chats_go_on_from_a_talk() -> None:
    talk = [{"role": "user", "content": "I am Ann."}, {"role": "assistant", "content": "Hello, Ann."}]
    assert filled(_ASKED, {"messages": talk})["messages"] == [*talk, *_ASKED["messages"]]
    both = filled(_ASKED, {"messages": talk, "system": "Be brief."})["messages"]
    assert both == [{"role": "system", "content": "Be brief."}, *talk, *_ASKED["messages"]]
    begun = [{"role": "system", "content": "Be kind."}, *talk]
    assert filled(_ASKED, {"messages": begun, "system": "Be brief."})["messages"][:3] == begun
    assert filled({"prompt": "hi"}, {"messages": talk}) == {"prompt": "hi"}


def test_a_context_is_for_those_who_want_none() -> None:
    assert loaded(RunSpec(), {"context": 512}).context == 512
    assert loaded(RunSpec(context=64), {"context": 512}).context == 64
