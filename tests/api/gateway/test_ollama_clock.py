"""How long the parts of an answer took."""

from __future__ import annotations

import time

from api.gateway.ollama.clock import Clock

_SECOND = 1_000_000_000


def test_the_engines_own_numbers_come_first() -> None:
    clock = Clock(began=time.monotonic() - 10)
    clock.heard()
    clock.measured({"prompt_ms": 500, "predicted_ms": 2000})
    told = clock.durations()
    assert (told["prompt_eval_duration"], told["eval_duration"]) == (_SECOND // 2, 2 * _SECOND)
    assert 7.5 * _SECOND <= told["load_duration"] < 8 * _SECOND
    assert told["total_duration"] >= 10 * _SECOND


def test_an_answer_in_one_piece_counts_as_writing() -> None:
    clock = Clock(began=time.monotonic() - 3)
    clock.measured(None)
    told = clock.durations()
    assert told["eval_duration"] == told["total_duration"] > 3 * _SECOND - 1
    assert told["prompt_eval_duration"] == told["load_duration"] == 0


def test_a_stream_is_loaded_then_read_then_written() -> None:
    moment = time.monotonic()
    told = Clock(began=moment - 6, loading=moment - 5, first=moment - 3).durations()
    assert (told["load_duration"], told["prompt_eval_duration"]) == (_SECOND, 2 * _SECOND)
    assert 3 * _SECOND <= told["eval_duration"] < 4 * _SECOND
