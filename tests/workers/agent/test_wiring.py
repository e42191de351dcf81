"""Who may wire memory on a host, and that together it is never more than the GPU bears."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.units import GIB, Bytes
from tests.workers.agent.memory.readings import gib
from workers.agent.wiring import Wiring, WiringLedger

_TOTAL, _CAP = gib(64), gib(48)


def _grants(wiring: Wiring, *weights: float, cap: Bytes | None = _CAP) -> list[float]:
    """What runs with these weights are given one after the other, in GiB."""
    ledger = WiringLedger(wiring)
    return [ledger.grant((f"run-{n}", 1), gib(size), _TOTAL, cap) / GIB for n, size in enumerate(weights)]


@pytest.mark.parametrize(
    ("wiring", "weights", "granted"),
    [
        (Wiring.OFF, (40, 2), [0, 0]),
        (Wiring.SAFE, (8, 32, 33, 40), [0, 0, 33, 0]),
        (Wiring.WEIGHTS, (8, 33, 10, 7), [8, 33, 0, 7]),
        (Wiring.WEIGHTS, (50,), [0]),
        (Wiring.FULL, (8, 2), [48, 0]),
        (Wiring.FULL, (50, 2), [0, 48]),
    ],
)
def test_each_mode_grants_what_it_says(wiring: Wiring, weights: tuple[float, ...], granted: list[float]) -> None:
    assert _grants(wiring, *weights) == granted


@pytest.mark.parametrize("wiring", Wiring)
def test_without_a_gpu_nothing_is_wired(wiring: Wiring) -> None:
    assert _grants(wiring, 40, cap=None) == [0]


def test_asking_again_gets_the_same_answer() -> None:
    ledger = WiringLedger(Wiring.FULL)
    assert [ledger.grant(("run", 1), gib(4), _TOTAL, _CAP) for _ in range(3)] == [_CAP] * 3
    assert ledger.granted == _CAP


def test_what_a_gone_run_had_is_given_to_the_next() -> None:
    ledger = WiringLedger(Wiring.FULL)
    assert ledger.grant(("one", 1), gib(4), _TOTAL, _CAP) == _CAP
    ledger.keep({("other", 1)})
    assert ledger.grant(("one", 2), gib(4), _TOTAL, _CAP) == _CAP


_STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 64 * GIB), st.booleans()), max_size=40)


@given(st.sampled_from(Wiring), _STEPS, st.integers(GIB, 64 * GIB))
def test_grants_never_add_up_to_more_than_can_be_wired(
    wiring: Wiring, steps: list[tuple[int, int, bool]], cap: int
) -> None:
    ledger = WiringLedger(wiring)
    for number, weights, ends in steps:
        key = (f"run-{number}", 1)
        if ends:
            ledger.keep({(f"run-{other}", 1) for other in range(6) if other != number})
        else:
            granted = ledger.grant(key, Bytes(weights), _TOTAL, Bytes(cap))
            assert granted >= 0
        assert ledger.granted <= cap
