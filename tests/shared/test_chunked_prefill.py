"""What is asked of an engine ahead of a long prompt, without wires: the engine is a class with a slot or two."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chunked_prefill import (
    NOTHING,
    TEMPLATE,
    TOKENS,
    Part,
    Prefilled,
    Progress,
    RecentPrompts,
    chunks,
    worth_it,
)
from shared.requests import ASK_PROGRESS, CHAT, COMPLETION, EMBEDDING

_STEP, _CONTEXT = 8, 4096
#: One that adds up without rest.
_MILLISECOND = 2**-10
_TEXT = " ".join(f"w{i}" for i in range(100))
_Said = Callable[[Part], bytes | None]


def common(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


class Slot:
    """A scripted llama.cpp with one slot: a token for each word, and a millisecond of its clock for each token."""

    def __init__(self, cache: Sequence[int] = (), pace: float = 0.001) -> None:
        self.cache, self.pace, self.clock = list(cache), pace, 0.0
        self.asked: list[tuple[str, dict[str, Any]]] = []
        #: Seconds that each chunk waits in line, and what else happens before it.
        self.line = 0.0
        self.meanwhile: Callable[[int], None] = lambda _: None
        self.replies: dict[str, bytes | None] = {}

    @property
    def prompts(self) -> list[list[int]]:
        return [body["prompt"] for path, body in self.asked if path == COMPLETION]

    def __call__(self, part: Part) -> bytes | None:
        body = json.loads(part.content)
        self.asked.append((part.path, body))
        if part.path in self.replies:
            return self.replies[part.path]
        if part.path == TEMPLATE:
            return json.dumps({"prompt": f"<s> {' '.join(one['content'] for one in body['messages'])}"}).encode()
        if part.path == TOKENS:
            return json.dumps({"tokens": list(range(len(body["content"].split())))}).encode()
        self.meanwhile(len(self.prompts))
        return self._read(body["prompt"])

    def _read(self, prompt: list[int]) -> bytes:
        cached = min(common(self.cache, prompt), len(prompt) - 1)
        self.cache = list(prompt)
        took = (len(prompt) - cached) * self.pace
        self.clock += took + self.line
        timings = {"cache_n": cached, "prompt_n": len(prompt) - cached, "prompt_ms": took * 1000}
        last = {"choices": [{"text": "", "finish_reason": "length"}], "timings": timings}
        return f'data: {{"choices":[]}}\n\ndata: {json.dumps(last)}\n\ndata: [DONE]\n\n'.encode()


def knowing(count: int) -> Callable[[Sequence[int]], Progress]:
    return lambda prompt: Progress(memoryview(bytes(len(prompt))), count)


def read(
    engine: _Said, path: str = COMPLETION, step: int = _STEP, context: int = _CONTEXT, known: int = 0, **body: Any
) -> Prefilled:
    return finish(chunks(step, context, path, body, knowing(known)), engine)


def finish(talk: Generator[Part, bytes | None, Prefilled], engine: _Said) -> Prefilled:
    said = None
    while True:
        try:
            said = engine(talk.send(said))
        except StopIteration as ended:
            prefilled: Prefilled = ended.value
            return prefilled


def chat(text: str = _TEXT) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def on_its_clock(patch: pytest.MonkeyPatch, slot: Slot) -> Slot:
    patch.setattr("shared.chunked_prefill.time.perf_counter", lambda: slot.clock)
    return slot


@pytest.fixture
def slot(monkeypatch: pytest.MonkeyPatch) -> Slot:
    return on_its_clock(monkeypatch, Slot())


@given(st.integers(1, 20), st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), st.floats(1e-5, 1))
def test_a_prompt_is_read_in_ever_longer_beginnings_up_to_its_last_step(
    step: int, length: int, known: int, cached: int, pace: float
) -> None:
    prompt, known = list(range(length)), min(known, length)
    with pytest.MonkeyPatch.context() as patch:
        engine = on_its_clock(patch, Slot(prompt[:cached], pace))
        prefilled = read(engine, step=step, known=known, prompt=prompt)
    ends = [0, *map(len, engine.prompts)]
    assert all(prompt[: len(one)] == one for one in engine.prompts)
    growths = [after - before for before, after in zip([0, known, *ends[2:]], ends[1:], strict=False)]
    assert all(growth > 0 for growth in growths)
    assert all(growth >= step for growth in growths[:-1]), "only the last may be short"
    if length > step and length - known > step:
        assert known < ends[1] <= (known if known * 10 > length else known * 10) + step
        assert 1 <= length - ends[-1] <= step
        assert prefilled.cached == min(cached, length, ends[1] - 1)
    else:
        assert (ends, prefilled) == ([0], NOTHING)


@pytest.mark.parametrize(
    ("path", "body", "first"),
    [
        (CHAT, {"messages": chat()}, [TEMPLATE, TOKENS]),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, [TEMPLATE]),
        (COMPLETION, {"prompt": _TEXT}, [TOKENS]),
        (COMPLETION, {"prompt": list(range(100))}, []),
    ],
)
def test_a_chat_is_laid_out_and_a_text_made_tokens_first(path: str, body: dict[str, Any], first: list[str]) -> None:
    engine = Slot()
    if isinstance(body.get("messages", [{}])[0].get("content"), list):
        engine.replies[TEMPLATE] = b"{}"
    read(engine, path, **body)
    assert [asked for asked, _ in engine.asked if asked != COMPLETION] == first


def test_the_engine_lays_out_all_that_a_chat_says() -> None:
    body: dict[str, Any] = {"messages": chat(), "tools": [{"type": "function"}], "chat_template_kwargs": {}}
    engine = Slot()
    read(engine, CHAT, **body)
    assert engine.asked[:2] == [
        (TEMPLATE, body),
        (TOKENS, {"content": f"<s> {_TEXT}", "add_special": True, "parse_special": True}),
    ]


_IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
_LONG = list(range(100))


@pytest.mark.parametrize(
    ("path", "body", "step", "context"),
    [
        (COMPLETION, {"prompt": _LONG}, 0, _CONTEXT),
        (EMBEDDING, {"input": _TEXT}, _STEP, _CONTEXT),
        ("/v1/rerank", {"prompt": _LONG}, _STEP, _CONTEXT),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": _TEXT}, _IMAGE]}]}, 8, _CONTEXT),
        (CHAT, {"messages": [{"role": "user", "content": [{"text": _TEXT}]}]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": _LONG, "cache_prompt": False}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": _LONG, "id_slot": 0}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": _LONG, "lora": []}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": _LONG, ASK_PROGRESS: False}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": _LONG}, _STEP, 100),
        (COMPLETION, {"prompt": _LONG[:_STEP]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": []}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": [_TEXT, _TEXT]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": [_LONG, _LONG]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": [*_LONG, _TEXT]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": [*_LONG, -1]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": [*_LONG, 2**31]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": [*_LONG, True]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": [*_LONG, 0.5]}, _STEP, _CONTEXT),
        (COMPLETION, {"prompt": {"text": _TEXT}}, _STEP, _CONTEXT),
        (COMPLETION, {}, _STEP, _CONTEXT),
    ],
)
def test_nothing_is_asked_where_nothing_can_be_read_ahead(
    path: str, body: dict[str, Any], step: int, context: int
) -> None:
    engine = Slot()
    assert read(engine, path, step, context, **body) is NOTHING
    assert engine.asked == []


@pytest.mark.parametrize("messages", ["nonsense", None, [None], [{"role": "user"}], 5, [{"content": [5]}]])
def test_what_is_no_chat_is_the_engine_s_to_refuse(messages: Any) -> None:
    assert read(lambda _: None, CHAT, messages=messages) is NOTHING


@pytest.mark.parametrize(("context", "parts"), [(0, 12), (101, 12), (100, 0)])
def test_a_prompt_that_does_not_fit_goes_as_it_is(slot: Slot, context: int, parts: int) -> None:
    slot.pace = 1.0
    read(slot, context=context, prompt=_LONG)
    assert len(slot.prompts) == parts


_NONSENSE = [None, b"", b"\xff", b"[]", b"null", b'"text"', b"{", b"[" * 5000, b'{"error":{"code":400}}']


@pytest.mark.parametrize(
    ("path", "said"),
    [
        *((path, said) for path in (TEMPLATE, TOKENS, COMPLETION) for said in _NONSENSE),
        *((TEMPLATE, b'{"prompt":%s}' % said) for said in (b"null", b"5", b"{}", b'["a"]')),
        *((TOKENS, b'{"tokens":%s}' % said) for said in (b"null", b"5", b"{}", b'["a"]', b'[{"id":1}]', b"[-1]")),
        *((COMPLETION, b"data: %s\n\n" % said) for said in _NONSENSE if said is not None),
        *(
            (COMPLETION, b'data: {"timings":%s}\n\n' % said)
            for said in (
                b"null", b"[]", b"{}", b'{"cache_n":1}', b'{"prompt_ms":1}', b'{"cache_n":-1,"prompt_ms":1}',
                b'{"cache_n":"1","prompt_ms":1}', b'{"cache_n":true,"prompt_ms":1}', b'{"cache_n":1,"prompt_ms":NaN}',
                b'{"cache_n":1%s,"prompt_ms":1}' % (b"0" * 4000),
            )
        ),
    ],
)  # fmt: skip
def test_an_engine_that_does_not_tell_is_left_in_peace(path: str, said: bytes | None) -> None:
    engine = Slot()
    engine.replies[path] = said
    assert read(engine, CHAT, messages=chat()) is NOTHING
    assert engine.asked[-1][0] == path, "it is not asked again"
    assert [asked for asked, _ in engine.asked].count(path) == 1


@pytest.mark.parametrize("cached", [2**40, 101, 1])
def test_an_engine_that_knows_more_than_it_was_told_is_heard_out(slot: Slot, cached: int) -> None:
    told = {"timings": {"cache_n": cached, "prompt_ms": 1.0}}
    slot.replies[COMPLETION] = f"data: {json.dumps(told)}\n\n".encode()
    assert read(slot, prompt=_LONG).cached == cached


def test_a_refusal_in_the_middle_ends_it_and_what_was_read_counts(slot: Slot) -> None:
    slot.pace = 1.0
    slot.meanwhile = lambda number: slot.replies.update({COMPLETION: None} if number == 2 else {})
    assert read(slot, prompt=_LONG) == Prefilled(0, 16_000.0)
    assert [len(prompt) for prompt in slot.prompts] == [8, 16, 24]


def test_a_lost_slot_is_read_no_further(slot: Slot) -> None:
    slot.pace = 1.0
    slot.meanwhile = lambda number: slot.cache.clear() if number == 3 else None
    prefilled = read(slot, prompt=_LONG)
    assert [len(prompt) for prompt in slot.prompts] == [8, 16, 24]
    assert prefilled == Prefilled(0, (8 + 8 + 24) * 1000.0), "what was read twice took its time"


@pytest.mark.parametrize(("line", "parts"), [(0.0, 12), (2.0, 12), (25.9, 12), (26.1, 1)])
def test_a_chunk_that_stood_in_line_is_the_last(slot: Slot, line: float, parts: int) -> None:
    slot.pace, slot.line = 1.0, line
    read(slot, prompt=_LONG)
    assert len(slot.prompts) == parts


def test_who_waited_before_a_chunk_was_asked_did_not_stand_in_line(slot: Slot) -> None:
    def politely(part: Part) -> bytes | None:
        slot.clock += 60.0
        part.begins()
        return slot(part)

    slot.pace = _MILLISECOND
    read(politely, prompt=list(range(1000)))
    assert [len(prompt) for prompt in slot.prompts] == [8, 40, 200, 400, 600, 800, 999]


@pytest.mark.parametrize(
    ("pace", "ends"),
    [
        (_MILLISECOND, [8, 40, 200, 400, 600, 800, 999]),
        (_MILLISECOND / 8, [8, 40, 200, 999]),
        (_MILLISECOND * 32, list(range(8, 1000, 8))),
    ],
)
def test_a_chunk_takes_a_fifth_of_a_second_where_a_step_is_faster(slot: Slot, pace: float, ends: list[int]) -> None:
    slot.pace = pace
    read(slot, prompt=list(range(1000)))
    assert [len(prompt) for prompt in slot.prompts] == ends


def test_the_first_chunk_says_all_that_an_engine_may_refuse(slot: Slot) -> None:
    sampling: dict[str, Any] = {
        "temperature": 0.5,
        "seed": 7,
        "stop": ["."],
        "logit_bias": {"5": 1},
        "model": "m",
        "top_k": None,
    }
    answer: dict[str, Any] = {
        "tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "response_format": {"type": "json_object"},
        "n": 2, "stream_options": {}, "logprobs": True, "top_logprobs": 3, "max_completion_tokens": 9, "n_predict": 9,
        "chat_template_kwargs": {}, "json_schema": {}, "grammar": "root ::= x", "echo": True, "suffix": "x",
        "best_of": 2, "functions": [], "function_call": "auto", "n_probs": 2, "n_cmpl": 2, "grammar_lazy": True,
        "grammar_triggers": [], "input": "x",
    }  # fmt: skip
    slot.pace = 1.0
    read(slot, CHAT, messages=chat(), max_tokens=50, stream=False, cache_prompt=True, **sampling, **answer)
    no_answer = {"max_tokens": 0, "cache_prompt": True, "stream": True, ASK_PROGRESS: True}
    first, *later = (
        {name: value for name, value in body.items() if name != "prompt"}
        for path, body in slot.asked
        if path == COMPLETION
    )
    assert first == sampling | no_answer | {"input": "x"}
    assert later
    assert all(body == no_answer for body in later)


def test_characters_by_halves_do_not_break_the_asking() -> None:
    engine = Slot()
    read(engine, prompt=f"{_TEXT} \ud83d", stop="\ud83d")
    assert engine.asked[0][1]["content"].endswith("?")


def talk(before: int, answer: int, after: int) -> list[dict[str, Any]]:
    """Each of so many words."""
    lengths = (("user", before), ("assistant", answer), ("user", after))
    return [
        {"role": role, "content": " ".join(f"{place}{role}{i}" for i in range(count))}
        for place, (role, count) in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    ("before", "answer", "after", "known", "first"),
    [
        (7, 50, 40, 0, 1 + 57 + _STEP),
        (8, 50, 40, 0, _STEP),
        (30, 50, 40, 31, 1 + 80 + _STEP),
        (30, 50, 40, 31 - _STEP, 1 + 80 + _STEP),
        (30, 50, 40, 30 - _STEP, 30),
        (30, 50, 40, 90, 90 + _STEP),
        (30, 50, _STEP + 1, 31, 1 + 80 + _STEP),
        (30, 50, _STEP, 31, None),
    ],
)
def test_an_answer_that_follows_what_is_known_is_not_cut_out_of_the_cache(
    before: int, answer: int, after: int, known: int, first: int | None
) -> None:
    """A prompt of a step or less was not remembered."""
    engine = Slot()
    read(engine, CHAT, known=known, messages=talk(before, answer, after))
    assert next(map(len, engine.prompts), None) == first


@pytest.mark.parametrize(
    ("length", "known", "first"), [(1000, 0, 8), (1000, 24, 248), (1000, 100, 999), (1000, 101, 109), (240, 24, 239)]
)
def test_the_first_chunk_is_no_more_like_another_talk_than_the_whole(length: int, known: int, first: int) -> None:
    """llama.cpp would give it that talk's slot, beside free ones, where it knew more than a tenth of it."""
    engine = Slot()
    read(engine, known=known, prompt=list(range(length)))
    assert len(engine.prompts[0]) == first


@pytest.mark.parametrize("refused", [2, 3])
def test_an_answer_that_cannot_be_counted_is_not_known(refused: int) -> None:
    engine = Slot()

    def refuses(part: Part) -> bytes | None:
        said = engine(part)
        return None if part.path == TOKENS and len(engine.asked) == 1 + refused else said

    read(refuses, CHAT, messages=talk(5, 50, 40))
    assert len(engine.prompts[0]) == _STEP
    specials = [body["add_special"] for path, body in engine.asked if path == TOKENS]
    assert specials == [True, *[False] * (refused - 1)]


@pytest.mark.parametrize(
    ("step", "size", "worth"), [(0, 10**6, False), (64, 192, False), (64, 193, True), (-1, 5, False)]
)
def test_short_requests_are_known_by_their_bytes(step: int, size: int, worth: bool) -> None:
    assert worth_it(step, size) == worth


_AHEAD = Prefilled(10, 900.0)
_TIMES = {"cache_n": 90, "prompt_n": 20, "prompt_ms": 100.0, "predicted_n": 3}


@pytest.mark.parametrize(
    ("said", "amended"),
    [
        ({}, {}),
        ({"choices": [], "usage": None, "timings": None}, {"choices": [], "usage": None, "timings": None}),
        ({"usage": {"prompt_tokens": 110}}, {"usage": {"prompt_tokens": 110}}),
        ({"usage": {"prompt_tokens_details": None}}, {"usage": {"prompt_tokens_details": None}}),
        ({"usage": [], "timings": "soon"}, {"usage": [], "timings": "soon"}),
        *(
            ({"usage": {"prompt_tokens": 110, "prompt_tokens_details": {"cached_tokens": said, "x": 1}}},
             {"usage": {"prompt_tokens": 110, "prompt_tokens_details": {"cached_tokens": told, "x": 1}}})
            for said, told in ((90, 10), (10, 10), (5, 5), (None, 0), ("90", 0), (-3, 0), (float("nan"), 0))
        ),
        ({"timings": {"prompt_n": 20}}, {"timings": {"prompt_n": 20}}),
        (
            {"timings": _TIMES},
            {"timings": {"cache_n": 10, "prompt_n": 100, "prompt_ms": 1000.0, "predicted_n": 3,
                         "prompt_per_token_ms": 10.0, "prompt_per_second": 100.0}},
        ),
        (
            {"timings": {"cache_n": 4, "prompt_n": "many", "prompt_ms": None}},
            {"timings": {"cache_n": 4, "prompt_n": 0, "prompt_ms": 900.0}},
        ),
        (
            {"timings": {"cache_n": None}},
            {"timings": {"cache_n": 0, "prompt_n": 0, "prompt_ms": 900.0}},
        ),
    ],
)  # fmt: skip
def test_what_was_read_ahead_counts_as_read(said: dict[str, Any], amended: dict[str, Any]) -> None:
    assert _AHEAD.amended(json.loads(json.dumps(said))) == amended
    assert json.dumps(NOTHING.amended(said)) == json.dumps(said)


_PROMPTS = st.lists(st.lists(st.integers(0, 2), max_size=12), min_size=1, max_size=12)


@given(_PROMPTS, st.integers(0, 5))
def test_a_prompt_is_known_as_far_as_one_of_the_last_began_alike(prompts: list[list[int]], slots: int) -> None:
    recent = RecentPrompts()
    for number, prompt in enumerate(prompts):
        last = prompts[max(0, number - max(1, slots)) : number]
        progress = recent.known("run", slots, prompt)
        assert progress.read == max((common(prompt, other) for other in last), default=0)
        progress.read = len(prompt)


@given(st.lists(st.integers(0, 2), max_size=12), st.lists(st.integers(0, 2), max_size=12), st.integers(0, 12))
def test_a_prompt_that_was_left_is_known_as_far_as_it_was_read(one: list[int], other: list[int], read: int) -> None:
    recent = RecentPrompts()
    recent.known("run", 2, one).read = min(read, len(one))
    assert recent.known("run", 2, other).read == min(read, common(one, other))


def test_runs_know_nothing_of_each_other_and_only_the_last_sixteen_are_remembered() -> None:
    recent = RecentPrompts()
    for run in range(17):
        progress = recent.known(run, 1, _LONG)
        assert progress.read == 0
        progress.read = len(_LONG)
    assert [recent.known(run, 1, _LONG).read for run in (16, 1, 0)] == [100, 100, 0]


def test_who_left_while_a_prompt_was_read_and_asks_again_is_read_on_in_chunks(slot: Slot) -> None:
    slot.pace, recent = 1.0, RecentPrompts()

    def known(prompt: Sequence[int]) -> Progress:
        return recent.known("run", 1, prompt)

    talk = chunks(_STEP, _CONTEXT, COMPLETION, {"prompt": _LONG}, known)
    part = talk.send(None)
    for _ in range(3):
        part = talk.send(slot(part))
    talk.close()
    finish(chunks(_STEP, _CONTEXT, COMPLETION, {"prompt": _LONG}, known), slot)
    assert [len(prompt) for prompt in slot.prompts] == [8, 16, 24, *range(32, 97, 8)]
