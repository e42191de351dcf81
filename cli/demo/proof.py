"""What the demo claims and checks."""

from __future__ import annotations

from shared.errors import ExecutionError


class NotProven(ExecutionError):
    """A result of the demo is not what it must be."""

    code = "not_proven"


def prove(holds: bool, claim: str, found: object) -> None:
    """Raises NotProven, naming what was found, unless the claim holds."""
    if not holds:
        raise NotProven(f"Not so: {claim}", f"found: {found}", "see the log that is named above, and report it")
