"""What a server that knew the future would need."""

from __future__ import annotations

from collections.abc import Sequence


def fewest_loads(asked: Sequence[str], room: int) -> int:
    """Loads of a server of `room` models that serves in order: it gives up the model that is wanted again last.

    Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5 (1966).
    """
    loaded: set[str] = set()
    loads = 0
    for position, model in enumerate(asked):
        if model in loaded:
            continue
        loads += 1
        if len(loaded) == room:
            later = list(asked[position:])
            loaded.remove(max(loaded, key=lambda one: later.index(one) if one in later else len(later)))
        loaded.add(model)
    return loads
