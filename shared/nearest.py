"""Did you mean: the names nearest to one that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Letters; what is longer is like no name, and comparing it would take seconds and gigabytes.
_LONGEST = 1000


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` known names that look like `name`, the best first; those that contain it count as alike."""
    if len(name) > _LONGEST:
        return []
    names = sorted(set(known))
    folded = name.casefold()
    by_fold = {candidate.casefold(): candidate for candidate in names}
    close = [by_fold[match] for match in difflib.get_close_matches(folded, by_fold, n=count, cutoff=0.5)]
    containing = [c for c in names if folded and (folded in c.casefold() or c.casefold() in folded) and c not in close]
    return (close + containing)[:count]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean a or b`, or what there is, or `there are none yet`."""
    names = sorted(set(known))
    close = nearest(name, names)
    if close:
        return f"did you mean {' or '.join(close)}"
    if not names:
        return "there are none yet"
    shown = ", ".join(names[:12])
    return f"there are: {shown}" + (", …" if len(names) > 12 else "")
