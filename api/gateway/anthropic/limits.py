"""How a key stands, as Anthropic's clients read it: `anthropic-ratelimit-requests-remaining` and the like."""

from __future__ import annotations

from api.shapes import Standings
from shared.moments import rfc3339


def limits(standings: Standings, moment: float) -> dict[str, str]:
    """The headers; `moment` is now."""
    headers: dict[str, str] = {}
    for unit, standing in standings.items():
        headers[f"anthropic-ratelimit-{unit}-limit"] = str(standing.limit)
        headers[f"anthropic-ratelimit-{unit}-remaining"] = str(standing.left)
        headers[f"anthropic-ratelimit-{unit}-reset"] = rfc3339(int(moment + standing.reset))
    return headers
