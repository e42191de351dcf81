"""How long the parts of an answer took."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from api.gateway.ollama import clock as clock_module
from api.gateway.ollama.clock import Clock

_SECOND = 1_000_000_000
_NOW = 100.0


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still."""
    monkeypatch.setattr(clock_module, "time", SimpleNamespace(monotonic=lambda: _NOW))


def test_the_engines_own_numbers_come_first() -> None:
    clock = Clock(began=_NOW - 10)
    clock.heard()
    clock.measured({"prompt_ms": 500, "predicted_ms": 2000})
    told = clock.durations()
    assert (told["prompt_eval_duration"], told["eval_duration"]) == (_SECOND // 2, 2 * _SECOND)
    assert (told["load_duration"], told["total_duration"]) == (7.5 * _SECOND, 10 * _SECOND)


def test_an_answer_in_one_piece_counts_as_writing() -> None:
    clock = Clock(began=_NOW - 3)
    clock.measured(None)
    told = clock.durations()
    assert told["eval_duration"] == told["total_duration"] == 3 * _SECOND
    assert told["prompt_eval_duration"] == told["load_duration"] == 0


def test_a_stream_is_loaded_then_read_then_written() -> None:
    told = Clock(began=_NOW - 6, loading=_NOW - 5, first=_NOW - 3).durations()
    assert (told["load_duration"], told["prompt_eval_duration"]) == (_SECOND, 2 * _SECOND)
    assert told["eval_duration"] == 3 * _SECOND
