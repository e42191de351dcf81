"""What measured peaks make of an estimate."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.memory import Need
from shared.runs.learned import FAR_LIMIT, HEADROOM, LearnedPeak, Load, bucket, correct, params_digest
from shared.runs.need import size_run
from shared.runtimes import RunSpec
from shared.units import GIB, Bytes
from tests.shared.test_need import LLAMA, QWEN

LOAD = Load("llama-cpp", "1", 4096, 4)
NEED = Need(Bytes(700), Bytes(200), Bytes(60), Bytes(40))


def learned(
    peak: int, estimate: int = 1000, *, context: int = 4096, slots: int = 4, busy: int | None = None
) -> LearnedPeak:
    """Measured with all slots at work, unless `busy` says otherwise."""
    return LearnedPeak("llama-cpp", "1", context, slots, "", peak, estimate, busy=slots if busy is None else busy)


def corrected(*peaks: LearnedPeak, need: Need = NEED, load: Load = LOAD) -> int:
    return correct(need, load, peaks).total


def test_nothing_learned_changes_nothing() -> None:
    assert correct(NEED, LOAD, []) == NEED


def test_a_measured_peak_and_a_little_more_is_what_the_next_run_needs() -> None:
    assert corrected(learned(960)) == 980
    assert corrected(learned(2000)) == 2040


def test_a_low_peak_lowers_the_estimate_by_a_tenth_at_most() -> None:
    assert corrected(learned(100)) == 900


@pytest.mark.parametrize("busy", [0, 1, 3])
def test_only_full_slots_lower_an_estimate(busy: int) -> None:
    assert corrected(learned(100, busy=busy)) == corrected(learned(960, busy=busy)) == 1000
    assert corrected(learned(960, busy=4)) == 980


def test_any_peak_raises_an_estimate() -> None:
    assert corrected(learned(1200, busy=1)) == corrected(learned(1200, busy=4)) == 1224


def test_what_was_learned_is_a_cause_of_its_own() -> None:
    assert correct(NEED, LOAD, [learned(2000)]).correction == 1040
    assert correct(NEED, LOAD, [learned(100)]).correction == -100
    assert "-100 B as measured before" in correct(NEED, LOAD, [learned(100)]).sentence()


def test_correcting_twice_is_correcting_once() -> None:
    once = correct(NEED, LOAD, [learned(2000)])
    assert correct(once, LOAD, [learned(2000)]) == once


def test_the_ratio_carries_over_to_another_context_of_the_same_bucket() -> None:
    half = Need(Bytes(700), Bytes(100), Bytes(60), Bytes(40))
    assert corrected(learned(2000), need=half, load=Load("llama-cpp", "1", 2100, 4)) == 1836


@pytest.mark.parametrize(
    "other", [{"runtime": "mlx-lm"}, {"version": "2"}, {"params": "0123456789abcdef"}], ids=lambda o: next(iter(o))
)
def test_another_runtime_version_or_parameter_is_no_evidence(other: dict[str, str]) -> None:
    assert corrected(replace(learned(2000), **other)) == NEED.total  # type: ignore[arg-type]


def test_a_load_never_seen_takes_the_nearest_that_was_but_only_upwards() -> None:
    assert corrected(learned(100, context=8192)) == 1000
    assert corrected(learned(1200, context=8192), learned(9000, context=65536)) == 1224
    assert corrected(learned(1100, slots=8), learned(1200, slots=2)) == 1224


def test_what_is_far_raises_by_half_at_most() -> None:
    assert corrected(learned(9000, slots=8)) == 1000 * FAR_LIMIT


def test_buckets_are_powers_of_two() -> None:
    assert [bucket(tokens) for tokens in (0, 1, 2, 3, 2048, 2049, 4096)] == [1, 1, 2, 4, 2048, 4096, 4096]


def test_only_parameters_that_change_memory_tell_loads_apart() -> None:
    assert params_digest({}) == params_digest({"threads": 4, "chat_template": "x"}) == ""
    assert params_digest({"cache_type_k": "q8_0", "ubatch_size": 64}) == params_digest(
        {"ubatch_size": 64, "threads": 2, "cache_type_k": "q8_0"}
    )
    assert params_digest({"cache_type_k": "q8_0"}) != params_digest({"cache_type_k": "q4_0"})


def test_a_run_is_sized_by_what_was_learned_of_the_way_it_is_loaded() -> None:
    plain = size_run(QWEN, LLAMA, RunSpec()).need.total
    peak = LearnedPeak("llama-cpp", "1", 4096, 4, "", peak=2 * plain, estimate=plain)
    assert size_run(QWEN, LLAMA, RunSpec(), [peak]).need.total == ceil(2 * plain * HEADROOM)
    assert size_run(QWEN, LLAMA, RunSpec(params={"cache_type_k": "q8_0"}), [peak]).need.correction == 0


sizes = st.integers(1, 200 * GIB)
peaks = st.builds(
    LearnedPeak,
    runtime=st.sampled_from(["llama-cpp", "mlx-lm"]),
    version=st.sampled_from(["1", "2"]),
    context=st.sampled_from([1024, 4096, 32768]),
    slots=st.sampled_from([1, 4]),
    params=st.sampled_from(["", "ab"]),
    peak=sizes,
    estimate=sizes,
    busy=st.integers(0, 4),
)
needs = st.builds(Need, *(st.builds(Bytes, st.integers(0, 100 * GIB)) for _ in range(4)))


@given(needs, st.lists(peaks, max_size=6))
def test_learning_never_lowers_an_estimate_by_more_than_a_tenth(need: Need, known: list[LearnedPeak]) -> None:
    assert correct(need, LOAD, known).total * 10 >= need.total * 9


@given(needs, st.lists(peaks, max_size=6))
def test_no_peak_of_slots_that_were_not_all_at_work_lowers_an_estimate(need: Need, known: list[LearnedPeak]) -> None:
    idle = [replace(peak, busy=min(peak.busy, peak.slots - 1)) for peak in known]
    assert correct(need, LOAD, idle).total >= need.total


@given(needs, st.lists(peaks, max_size=6))
def test_a_run_at_work_with_fewer_slots_teaches_no_smaller_need(need: Need, known: list[LearnedPeak]) -> None:
    idler = [replace(peak, busy=max(0, peak.busy - 1)) for peak in known]
    assert correct(need, LOAD, idler).total >= correct(need, LOAD, known).total


@given(needs, st.integers(1, 300 * GIB), st.integers(0, 4))
def test_a_peak_above_its_estimate_counts_whatever_was_at_work(need: Need, peak: int, busy: int) -> None:
    if need.total:
        assert corrected(learned(peak, need.total, busy=busy), need=need) >= min(peak, FAR_LIMIT * need.total)


@given(needs, st.lists(peaks, max_size=6), st.randoms())
def test_the_order_of_what_was_learned_does_not_matter(need: Need, known: list[LearnedPeak], chance: object) -> None:
    shuffled = sorted(known, key=lambda _: chance.random())  # type: ignore[attr-defined]
    assert correct(need, LOAD, known) == correct(need, LOAD, shuffled)


@given(needs, st.lists(peaks, min_size=1, max_size=6), st.integers(0, 100 * GIB))
def test_a_higher_peak_never_lowers_a_need(need: Need, known: list[LearnedPeak], more: int) -> None:
    first, *others = known
    higher = replace(first, peak=first.peak + more)
    assert correct(need, LOAD, [higher, *others]).total >= correct(need, LOAD, known).total


@given(needs, st.integers(1, 300 * GIB))
def test_a_run_like_one_that_was_measured_fits_what_that_one_used(need: Need, peak: int) -> None:
    if need.total:
        assert corrected(learned(peak, need.total), need=need) >= peak
