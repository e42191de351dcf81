"""What measured peaks say about the next run of a model: the estimate, corrected. Pure.

A peak is kept with the estimate it stood against, and what is learned is their ratio: two runs in one context bucket
differ in KV cache, and a ratio carries over where an absolute peak would be too much for one and too little for the
other. A run like one that was measured with all its slots at work needs at least 0.9 of the estimate and 1.02 of the
peak. Any other peak only raises: one busy slot of eight says nothing of eight, and that the estimate was too high for
4,096 tokens does not make it so for 32,768. See docs/decisions/0013-what-a-peak-teaches.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from math import ceil, log2
from typing import Any

from shared.memory import Need
from shared.units import Bytes

#: A measured peak lowers an estimate to this part of it at most: full slots may still have held short prompts.
LOWEST = Fraction(9, 10)
#: Added to a measured peak: the next run may be used a little harder.
HEADROOM = Fraction(51, 50)
#: What runs of another context or slots may raise an estimate by, at most.
FAR_LIMIT = Fraction(3, 2)
#: Engine parameters that change no memory; all others are taken to.
_WEIGHTLESS = frozenset({"threads", "threads_batch", "chat_template"})


@dataclass(frozen=True, slots=True)
class Load:
    """What decides the memory of a model's run, besides the model: what peaks are kept by."""

    runtime: str
    #: `version_key` of what the runtime says.
    version: str
    #: Tokens per slot.
    context: int
    slots: int
    #: `params_digest` of the run's spec.
    params: str = ""


@dataclass(frozen=True, slots=True)
class LearnedPeak:
    """The peak of the runs that went furthest beyond their estimate, of one model loaded in one way. Sizes in bytes."""

    runtime: str
    version: str
    #: Tokens per slot, rounded up to a power of two.
    context: int
    slots: int
    params: str
    peak: int
    #: What was estimated for that run, uncorrected.
    estimate: int
    #: Runs that were measured.
    samples: int = 1
    #: A run like this died for lack of memory.
    out_of_memory: bool = False
    #: Most slots that one of these runs had at work at once.
    busy: int = 0

    @property
    def ratio(self) -> Fraction:
        """Peak to estimate; 1 when nothing was estimated."""
        return Fraction(self.peak, self.estimate) if self.estimate > 0 else Fraction(1)

    @property
    def full(self) -> bool:
        """One of these runs had all its slots at work at once."""
        return self.busy >= self.slots


def bucket(tokens: int) -> int:
    """`tokens`, rounded up to a power of two."""
    return 1 << max(0, tokens - 1).bit_length()


def version_key(version: str) -> str:
    """A runtime's version as peaks are kept by it."""
    return version[:64]


def params_digest(params: Mapping[str, Any]) -> str:
    """What stands for the parameters that change memory: 16 hex digits, or nothing when there are none."""
    telling = {name: value for name, value in params.items() if name not in _WEIGHTLESS}
    if not telling:
        return ""
    return sha256(json.dumps(telling, sort_keys=True, default=str).encode()).hexdigest()[:16]


def correct(need: Need, load: Load, learned: Iterable[LearnedPeak]) -> Need:
    """`need` with the correction that the peaks in `learned` give a run loaded as `load`.

    Never below 0.9 of the estimate, nor below it at all before a run had all its slots at work; peaks of other
    runtimes, versions or parameters do not count.
    """
    fitting = [
        peak
        for peak in learned
        if (peak.runtime, peak.version, peak.params) == (load.runtime, load.version, load.params)
    ]
    if not fitting:
        return need
    factor = _factor(load, fitting)
    plain = need.total - need.correction
    return replace(need, correction=Bytes(ceil(plain * factor) - plain))


def _factor(load: Load, learned: Sequence[LearnedPeak]) -> Fraction:
    same = [peak for peak in learned if (peak.context, peak.slots) == (bucket(load.context), load.slots)]
    if same:
        # What a run would have taken with more slots at work is not known, only that it would not have been less.
        lowest = LOWEST if any(peak.full for peak in same) else Fraction(1)
        return max(lowest, HEADROOM * max(peak.ratio for peak in same))
    nearest = min(_distance(load, peak) for peak in learned)
    ratio = max(peak.ratio for peak in learned if _distance(load, peak) == nearest)
    return min(FAR_LIMIT, max(Fraction(1), HEADROOM * ratio))


def _distance(load: Load, peak: LearnedPeak) -> float:
    """Doublings of context and of slots between them."""
    return abs(log2(peak.context / bucket(load.context))) + abs(log2(peak.slots / max(1, load.slots)))
