"""Who should have how many slots: max-min fair shares by weight, of slots that only serve their own model.

A key can use no more slots of a model than it has jobs for, and all keys together no more than there are. The shares
are found by looking for those who are worst off together: the set of keys for which the slots they could use, over
their weights, are fewest. Their share is fixed, and the others share what is left, in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

#: What each key wants, by model.
Wants = Mapping[str, Mapping[str, int]]

#: Keys up to which every set of them is looked at; beyond, only each alone and all together, which is nearly it.
_EXACT = 8


def fair_shares(wants: Wants, slots: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, float]:
    """Slots that each key should have of those that work, by model, for those who want them."""
    shares: dict[str, float] = {}
    while len(shares) < len(wants):
        fixed = _usable(wants, slots, shares)
        levels = {
            keys: (_usable(wants, slots, (*shares, *keys)) - fixed) / sum(weights.get(key, 1.0) for key in keys)
            for keys in _sets([key for key in wants if key not in shares])
        }
        worst = min(levels, key=lambda keys: (levels[keys], -len(keys)))
        shares |= {key: levels[worst] * weights.get(key, 1.0) for key in worst}
    return shares


def _sets(keys: list[str]) -> Iterator[tuple[str, ...]]:
    if len(keys) > _EXACT:
        yield from ((key,) for key in keys)
        yield tuple(keys)
        return
    for size in range(1, len(keys) + 1):
        yield from combinations(keys, size)


def _usable(wants: Wants, slots: Mapping[str, int], keys: Iterable[str]) -> float:
    """Slots that these keys could use, had they all for themselves."""
    total: dict[str, int] = {}
    for key in keys:
        for model, want in wants[key].items():
            total[model] = total.get(model, 0) + want
    return float(sum(min(want, slots.get(model, 0)) for model, want in total.items()))
