"""Who comes first, and which place is best: every number that weighs one thing against another is here."""

from __future__ import annotations

from shared.vocabulary import Priority

#: Seconds of waiting after which work counts as one class more urgent.
AGE_SECONDS = 600.0
#: Age makes nothing as urgent as a person who waits.
_HIGHEST_BY_AGE = Priority.HIGH.rank
#: While classes compete, one of so many places goes to whoever has waited longest of the less urgent ones.
OLDEST_TURN = 16

#: A host that would be left with memory as large as the largest host's counts 1; so does a host with all processors
#: at work, one with this many attempts at work, and one that is `serious`ly hot.
_FULL_OF_ATTEMPTS = 20
_HEAT = {"fair": 0.25, "serious": 1.0}
#: Too hot for any new run.
TOO_HOT = "critical"


def effective_class(rank: int, queued_at: float, now: float) -> int:
    """The class that work counts as, 0 the most urgent: its own, less one for each `AGE_SECONDS` it has waited."""
    if rank <= _HIGHEST_BY_AGE or now - queued_at < AGE_SECONDS:
        return rank
    return max(_HIGHEST_BY_AGE, rank - int((now - queued_at) // AGE_SECONDS))


def strain(load: float | None, attempts: int, thermal: str | None) -> float:
    """How hard a host has it: 0 when it rests, about 3 when everything is against it."""
    return (load or 0.0) + attempts / _FULL_OF_ATTEMPTS + _HEAT.get(thermal or "", 0.0)


def placement_score(left: int, largest: int, straining: float) -> float:
    """What speaks against a place for a run, the lowest is best: memory that would be left unused, plus strain.

    The tightest fit keeps big holes for big models; `largest` is the memory of the largest host.
    """
    return left / max(largest, 1) + straining
