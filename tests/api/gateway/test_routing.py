"""Which run answers: the warm one while it has a slot, else the one with the most room; none when all are too busy."""

from __future__ import annotations

import math
from dataclasses import replace

from api.gateway.affinity import Affinity, session_of
from api.gateway.routing import LONGEST_WAIT, Candidate, Load, Reach, choose, wait
from shared.runtimes import Endpoint
from shared.vocabulary import RunState

_ENDPOINT = Endpoint(url="http://127.0.0.1:1", served_name="m", slots=4, context=512)


def run(name: str, slots: int = 4, busy: int = 0) -> Candidate:
    return Candidate(name, 1, RunState.READY, "mini", "m", slots, busy, _ENDPOINT, Reach(_ENDPOINT.url))


def chosen(*runs: Candidate, loads: dict[str, Load] | None = None, avoid: tuple[str, ...] = (), warm: str = "") -> str:
    found = choose(runs, loads or {}, avoid, warm)
    return found.id if found is not None else ""


def test_the_run_with_the_most_room_for_its_size_is_chosen() -> None:
    assert chosen(run("a"), run("b"), loads={"a": Load(1)}) == "b"
    assert chosen(run("a", slots=2), run("b", slots=8), loads={"a": Load(1), "b": Load(2)}) == "b"
    assert chosen(run("a", busy=3), run("b"), loads={"b": Load(2)}) == "b"


def test_the_warm_run_is_chosen_while_it_has_a_slot() -> None:
    assert chosen(run("a"), run("b"), loads={"b": Load(3)}, warm="b") == "b"
    assert chosen(run("a"), run("b"), loads={"b": Load(4)}, warm="b") == "a"


def test_runs_that_are_not_there_or_not_reached_or_were_lost_are_not_chosen() -> None:
    loading, far = replace(run("a"), state=RunState.STARTING), replace(run("b"), reach=None)
    assert chosen(loading, far, run("c"), avoid=("c",)) == ""
    assert chosen(loading, far, run("c")) == "c"


def test_a_few_may_always_wait_and_many_only_while_it_is_quick() -> None:
    assert wait(run("a"), Load(19, 1000.0)) == 0
    assert wait(run("a"), Load(20, 2.0)) == 8.5
    assert wait(run("a"), Load(24, 2.0)) == 10.5
    assert wait(run("a"), Load(24)) == 0
    assert wait(run("a"), Load(140)) == math.inf
    slow = Load(24, LONGEST_WAIT)
    assert chosen(run("a"), loads={"a": slow}) == ""
    assert chosen(run("a"), run("b"), loads={"a": slow}, warm="a") == "b"


def test_all_turns_of_a_conversation_are_one_session() -> None:
    first = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
    later = [*first, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
    other = [first[0], {"role": "user", "content": "good day"}]
    assert session_of("m", {"messages": first}) == session_of("m", {"messages": later})
    assert session_of("m", {"messages": first}) != session_of("m", {"messages": other})
    assert session_of("m", {"messages": first}) != session_of("n", {"messages": first})
    assert session_of("m", {"input": "text"}) is None


def test_only_the_beginning_of_a_long_prompt_tells_it_from_others() -> None:
    def sessions(text: str) -> list[int]:
        prompts = [{"prompt": text + end} for end in "xy"]
        chats = [{"messages": [{"role": "user", "content": text + end}]} for end in "xy"]
        return [len({session_of("m", body) for body in bodies}) for bodies in (prompts, chats)]

    assert sessions("a" * 2000) == [2, 2]
    assert sessions("a" * 5000) == [1, 1]


def test_strange_messages_have_a_session_too() -> None:
    for messages in ([], [3], [{"role": "user", "content": "\ud800"}], [None, {"role": "user"}]):
        assert session_of("m", {"messages": messages}) is not None


def test_the_table_of_conversations_is_bounded() -> None:
    affinity = Affinity()
    for number in range(5000):
        affinity.went(str(number).encode(), "a")
    assert affinity.warm(b"0") is None
    assert affinity.warm(b"4999") == "a"


def test_a_conversation_that_goes_on_is_not_forgotten_for_one_that_does_not() -> None:
    affinity = Affinity()
    for number in range(4096):
        affinity.went(str(number).encode(), "a")
    affinity.went(b"0", "b")
    affinity.went(b"another", "a")
    assert (affinity.warm(b"0"), affinity.warm(b"1")) == ("b", None)
