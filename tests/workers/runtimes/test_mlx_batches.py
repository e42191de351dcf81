"""However many requests wait, mlx-lm works on as many as there are slots."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlx_lm")

_SLOTS, _ANSWER = 2, 4


@pytest.fixture(scope="module")
def batches() -> Any:
    """A generator for a model that is all shape and no sense; it reads prompts in steps of eight tokens."""
    from mlx_lm.models.llama import Model, ModelArgs

    from workers.runtimes.boot.mlx_server import Batches

    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = Model(ModelArgs(model_type="llama", vocab_size=64, rms_norm_eps=1e-5, **shape))
    return Batches(model, completion_batch_size=_SLOTS, prefill_batch_size=_SLOTS, prefill_step_size=8)


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
