"""Kept prompts never take what running requests may come to hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("mlx_lm")

_SLOTS, _EACH = 2, 100


@pytest.fixture
def kept() -> Any:
    from workers.runtimes.boot.mlx_server import Kept

    return Kept(_SLOTS, _EACH * (_SLOTS + 1))


def keep(kept: Any, *tokens: int) -> None:
    kept.insert_cache("model", list(tokens), [SimpleNamespace(nbytes=_EACH, is_trimmable=lambda: False)])


def test_an_idle_run_keeps_as_many_prompts_as_it_has_slots(kept: Any) -> None:
    for number in range(4):
        keep(kept, number)
    assert kept.nbytes == _SLOTS * _EACH


def test_a_full_run_has_room_for_one(kept: Any) -> None:
    kept.begin()
    kept.begin()
    keep(kept, 1)
    keep(kept, 2)
    assert kept.nbytes == _EACH


def test_prompts_give_way_when_requests_begin(kept: Any) -> None:
    keep(kept, 1)
    keep(kept, 2)
    kept.begin()
    kept.begin()
    kept.shrink()
    assert kept.nbytes == _EACH


def test_more_clients_than_slots_take_no_more(kept: Any) -> None:
    for _ in range(5):
        kept.begin()
    keep(kept, 1)
    assert kept.nbytes == _EACH
    for _ in range(5):
        kept.end()
    keep(kept, 2)
    assert kept.nbytes == 2 * _EACH
