"""What becomes of a job when an attempt ends: one table of cases."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Problem
from shared.jobs.settle import BACKOFF_LIMIT, Standing, backoff, settle
from shared.vocabulary import AttemptState

FAILURE = Problem(code="bad_luck", what="It went wrong", retryable=True)
MISTAKE = Problem(code="bad_input", what="It can never work")
CRASH = Problem(code="run_died", what="The run died", retryable=True, crash=True)

ENDS = [
    AttemptState.SUCCEEDED,
    AttemptState.FAILED,
    AttemptState.CANCELLED,
    AttemptState.LOST,
    AttemptState.ABANDONED,
]


def standing(failures: int = 0, crashes: int = 0, *, cancel: bool = False) -> Standing:
    return Standing(failures, crashes, max_failures=3, max_crashes=3, cancel_requested=cancel)


@pytest.mark.parametrize(
    ("before", "ended", "error", "after"),
    [
        pytest.param(standing(), AttemptState.SUCCEEDED, None, ("succeeded", 0, 0), id="success"),
        pytest.param(standing(cancel=True), AttemptState.SUCCEEDED, None, ("succeeded", 0, 0), id="success, too late"),
        pytest.param(standing(), AttemptState.FAILED, FAILURE, ("queued", 1, 0), id="failure"),
        pytest.param(standing(2), AttemptState.FAILED, FAILURE, ("failed", 3, 0), id="last failure"),
        pytest.param(standing(), AttemptState.FAILED, MISTAKE, ("failed", 1, 0), id="mistake"),
        pytest.param(standing(), AttemptState.FAILED, None, ("queued", 1, 0), id="failure without a word"),
        pytest.param(standing(), AttemptState.FAILED, CRASH, ("queued", 0, 1), id="crash"),
        pytest.param(standing(2), AttemptState.FAILED, CRASH, ("queued", 2, 1), id="crash after failures"),
        pytest.param(standing(0, 2), AttemptState.FAILED, CRASH, ("failed", 0, 3), id="last crash"),
        pytest.param(standing(), AttemptState.LOST, None, ("queued", 0, 1), id="lost"),
        pytest.param(standing(0, 2), AttemptState.LOST, None, ("failed", 0, 3), id="lost for the last time"),
        pytest.param(standing(2, 2), AttemptState.ABANDONED, None, ("queued", 2, 2), id="abandoned"),
        pytest.param(standing(), AttemptState.CANCELLED, None, ("cancelled", 0, 0), id="cancelled"),
        pytest.param(standing(cancel=True), AttemptState.FAILED, FAILURE, ("cancelled", 0, 0), id="failed, cancelled"),
        pytest.param(standing(cancel=True), AttemptState.LOST, None, ("cancelled", 0, 0), id="lost, cancelled"),
        pytest.param(standing(cancel=True), AttemptState.ABANDONED, None, ("cancelled", 0, 0), id="late, cancelled"),
    ],
)  # fmt: skip
def test_an_end_settles_the_job(
    before: Standing, ended: AttemptState, error: Problem | None, after: tuple[str, int, int]
) -> None:
    settled = settle(before, ended, error)
    assert (settled.state, settled.failures, settled.crashes) == after


def test_a_loop_of_crashes_says_what_the_last_one_was() -> None:
    settled = settle(standing(0, 2), AttemptState.FAILED, CRASH)
    assert settled.error is not None
    assert settled.error.code == "crash_loop"
    assert "The run died" in settled.error.why


def test_the_first_crash_is_tried_again_at_once_the_second_after_a_while() -> None:
    assert settle(standing(), AttemptState.LOST, None).delay == 0
    assert settle(standing(0, 1), AttemptState.LOST, None).delay > 0


@given(count=st.integers(1, 10_000), seed=st.integers())
def test_waits_grow_are_jittered_and_end_at_five_minutes(count: int, seed: int) -> None:
    ceiling = min(BACKOFF_LIMIT, 2.0 ** min(count - 1, 20))
    assert ceiling / 2 <= backoff(count, random.Random(seed)) <= ceiling


@given(
    failures=st.integers(0, 5),
    crashes=st.integers(0, 5),
    cancel=st.booleans(),
    ended=st.sampled_from(ENDS),
    error=st.sampled_from([None, FAILURE, MISTAKE, CRASH]),
)
def test_counts_never_sink_and_only_a_queued_job_waits(
    failures: int, crashes: int, *, cancel: bool, ended: AttemptState, error: Problem | None
) -> None:
    before = standing(failures, crashes, cancel=cancel)
    after = settle(before, ended, error)
    assert after.failures in {failures, failures + 1}
    assert after.crashes in {crashes, crashes + 1}
    assert after.failures + after.crashes <= failures + crashes + 1
    assert after.delay == 0 or after.state == "queued"
    assert (after.state == "succeeded") == (ended == AttemptState.SUCCEEDED)
    assert not (cancel and after.state in {"queued", "failed"})
