"""Kept prompts never take what running requests may come to hold."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlx_lm")

#: Bytes of a prompt of four tokens: keys and values of one head, eight elements wide, in float32.
_SLOTS, _EACH = 2, 2 * 4 * 8 * 4


@pytest.fixture
def kept() -> Any:
    from workers.runtimes.boot.mlx_server import Kept

    return Kept(_SLOTS, _EACH * (_SLOTS + 1))


def keep(kept: Any, *tokens: int) -> None:
    kept.insert_cache("model", list(tokens), [batch(1).extract(0)], cache_type="assistant")


def batch(size: int, tokens: int = 4) -> Any:
    """The cache of one layer, of `size` sequences that are generated together."""
    import mlx.core as mx
    from mlx_lm.models.cache import BatchKVCache

    cache = BatchKVCache([0] * size)
    cache.update_and_fetch(mx.ones((size, 1, tokens, 8)), mx.ones((size, 1, tokens, 8)))
    mx.eval(cache.state)
    return cache


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


def test_a_kept_prompt_does_not_keep_the_batch_it_was_cut_from() -> None:
    import mlx.core as mx

    from workers.runtimes.boot.mlx_server import Kept

    kept, before = Kept(_SLOTS, 1 << 20), mx.get_active_memory()
    full = batch(32, tokens=256)
    kept.insert_cache("model", [1], [full.extract(3)], cache_type="assistant")
    del full
    assert kept.nbytes == 2 * 256 * 8 * 4
    assert mx.get_active_memory() - before < 2 * kept.nbytes


def test_a_kept_state_does_not_keep_those_of_the_other_slots() -> None:
    import mlx.core as mx
    from mlx_lm.models.cache import ArraysCache

    from workers.runtimes.boot.mlx_server import Kept

    kept, before = Kept(_SLOTS, 1 << 20), mx.get_active_memory()
    full = ArraysCache(2)
    full[0], full[1] = mx.ones((32, 3, 64)), mx.ones((32, 4, 16, 16))
    mx.eval(full.state)
    kept.insert_cache("model", [1], [full.extract(0)], cache_type="assistant")
    del full
    assert mx.get_active_memory() - before < 2 * kept.nbytes


@pytest.mark.parametrize("kind", ["BatchKVCache", "BatchRotatingKVCache", "ArraysCache", "CacheList"])
def test_a_kept_prompt_of_any_layout_is_what_was_read(kept: Any, kind: str) -> None:
    import mlx.core as mx
    from mlx.utils import tree_flatten

    cut = filled(kind).extract(1)
    before = [(name, mx.array(value)) for name, value in tree_flatten(cut.state) if isinstance(value, mx.array)]
    kept.insert_cache("model", [1, 2], [cut], cache_type="assistant")
    (found,), rest = kept.fetch_nearest_cache("model", [1, 2, 3])
    after = dict(tree_flatten(found.state))
    assert (type(found), rest, found.nbytes) == (type(cut), [3], cut.nbytes)
    assert before
    assert all(mx.array_equal(after[name], value) for name, value in before)


@pytest.mark.parametrize("kind", ["BatchKVCache", "BatchRotatingKVCache", "ArraysCache", "CacheList"])
@pytest.mark.parametrize("tokens", [[1], [1, 2]])
def test_of_a_prompt_that_is_kept_as_a_whole_the_end_is_read_again(kept: Any, kind: str, tokens: list[int]) -> None:
    from mlx_lm.models.cache import can_trim_prompt_cache

    cut = filled(kind).extract(1)
    kept.insert_cache("model", tokens, [cut], cache_type="assistant")
    found, rest = kept.fetch_nearest_cache("model", tokens)
    assert rest
    assert rest == tokens[-len(rest) :]
    assert found is None or can_trim_prompt_cache(found)


def filled(kind: str) -> Any:
    """The cache of one layer of this kind, with two sequences of two tokens."""
    import mlx.core as mx
    from mlx_lm.models import cache

    if kind == "CacheList":
        return cache.CacheList(filled("BatchKVCache"), filled("ArraysCache"))
    if kind == "ArraysCache":
        states = cache.ArraysCache(1)
        states[0] = mx.arange(16.0).reshape(2, 2, 4)
        return states
    batch = getattr(cache, kind)(*([8] if kind == "BatchRotatingKVCache" else []), [0, 0])
    batch.update_and_fetch(*(mx.arange(32.0).reshape(2, 1, 2, 8) + offset for offset in (0, 100)))
    return batch


def test_without_a_gpu_few_freed_buffers_are_kept_whatever_is_allowed() -> None:
    import mlx.core as mx

    from workers.runtimes.boot.mlx_wiring import CPU_CACHE, bound_memory

    if mx.metal.is_available():
        pytest.skip("this machine has a GPU")
    before = mx.set_cache_limit(CPU_CACHE), mx.set_memory_limit(1 << 30)
    for allowed, kept in ((1 << 30, CPU_CACHE), (1024, 1024)):
        bound_memory(1 << 30, allowed)
        assert mx.set_cache_limit(CPU_CACHE) == kept
    mx.set_cache_limit(before[0])
    mx.set_memory_limit(before[1])
