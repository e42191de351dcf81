"""What an engine counts answer by answer, added up: answers add, and those to one prompt share it."""

from __future__ import annotations

from typing import Any

from shared.token_totals import TokenTotals


def counted(completion: int, prompt: int = 10, cached: int = 0, **more: Any) -> dict[str, Any]:
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion} | details
    return {"usage": usage, "choices": []} | more


def test_a_chunk_without_a_count_tells_nothing() -> None:
    totals = TokenTotals()
    assert totals.add({"choices": [{"delta": {}}], "usage": None}) is None
    assert totals.add({"choices": []}) is None


def test_one_answer_is_counted_as_the_engine_says_last() -> None:
    totals = TokenTotals()
    totals.add(counted(1))
    assert totals.add(counted(2)) == counted(2)["usage"]


def test_choices_of_one_prompt_share_it() -> None:
    totals = TokenTotals(choices=2)
    totals.add(counted(3, cached=4))
    assert totals.add(counted(5, cached=10)) == counted(8, cached=10)["usage"]


def test_what_each_choice_thought_adds_up() -> None:
    totals, said = TokenTotals(choices=2), None
    for completion, thought in ((6, 4), (5, 3), (2, None)):
        details = {"reasoning_tokens": thought, "audio_tokens": 0} if thought else None
        chunk = counted(completion)
        said = totals.add(chunk | {"usage": chunk["usage"] | {"completion_tokens_details": details}})
    assert said is not None
    assert (said["completion_tokens"], said["completion_tokens_details"]) == (13, {"reasoning_tokens": 7})


def test_every_prompt_counts_whichever_ends_first() -> None:
    totals, said = TokenTotals(choices=2), None
    for index, prompt, completion in ((3, 7, 1), (0, 10, 2), (1, 10, 3), (2, 7, 4)):
        said = totals.add(counted(completion, prompt, choices=[{"index": index}]))
    assert said == counted(10, prompt=17)["usage"]
