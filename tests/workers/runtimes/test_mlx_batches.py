"""However many requests wait, mlx-lm works on as many as there are slots, and in steps no longer than one prompt's."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlx_lm")

_SLOTS, _ANSWER, _STEP = 2, 4, 8


@pytest.fixture(scope="module")
def batches() -> Any:
    return made(_SLOTS)


def made(slots: int) -> Any:
    """A generator for a model that is all shape: it reads two prompts at a time, in steps of eight tokens."""
    from mlx_lm.models.llama import Model, ModelArgs

    from workers.runtimes.boot.mlx_batches import Batches

    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = Model(ModelArgs(model_type="llama", vocab_size=64, rms_norm_eps=1e-5, **shape))
    return Batches(model, completion_batch_size=slots, prefill_batch_size=_SLOTS, prefill_step_size=_STEP)


def test_prompts_that_come_while_others_are_answered_wait_for_a_slot(batches: Any) -> None:
    waiting, over, most = [9, 40, 40, 24, 9], 0, 0
    asked = len(waiting)
    while over < asked:
        if waiting:
            batches.insert([list(range(waiting.pop(0)))], max_tokens=[_ANSWER])
        _, answers = batches.next()
        over += sum(answer.finish_reason is not None for answer in answers)
        most = max(most, len(batches._prompt_batch) + len(batches._generation_batch))
    assert most == _SLOTS


def test_prompts_share_the_tokens_of_a_step(batches: Any) -> None:
    steps = read(batches, [40, 23])
    assert max(sum(step.values()) for step in steps) == _STEP


def test_no_prompt_is_made_longer_to_be_read_with_another(batches: Any) -> None:
    steps = read(batches, [40, 3])
    assert all(len(set(step.values())) == 1 for step in steps)
    assert list(steps[0].values()) == [2, 2]


def test_a_short_prompt_that_has_to_wait_makes_no_step_short() -> None:
    steps = read(made(slots=4), [40, 40, 3])
    assert [sum(step.values()) for step in steps][:9] == [_STEP] * 9


def read(batches: Any, prompts: list[int]) -> list[dict[int, int]]:
    """Of each step, how many tokens were read of which prompt, but for its last token."""
    uids = batches.insert([list(range(length)) for length in prompts], max_tokens=[_ANSWER] * len(prompts))
    steps, done, over = [], dict.fromkeys(uids, 0), 0
    while over < len(prompts):
        said, answers = batches.next()
        over += sum(answer.finish_reason is not None for answer in answers)
        step = {part.uid: part.progress[0] - done[part.uid] for part in said if not part.end_of_prompt}
        done |= {uid: done[uid] + tokens for uid, tokens in step.items()}
        steps.append(step)
    assert list(done.values()) == [length - 1 for length in prompts]
    return [step for step in steps if step]
