"""When silence counts as death."""

from __future__ import annotations

#: Leases that a silence of all hosts is borne: a front door that restarts, a laptop that wakes up.
_BORNE = 6


class Patience:
    """Says whether attempts and runs whose lease is over may be given up; times are the database's clock.

    Workers report through the front door and the database. While nobody could have reported, a lease that ran out
    says nothing, so whoever begins to look waits one lease, and so does everyone after all hosts were silent.
    """

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._until: float | None = None
        self._silent_since: float | None = None

    def restart(self) -> None:
        """Nothing is known of what happened until now."""
        self._until = None

    def over(self, moment: float, *, silent: bool) -> bool:
        """Look at `moment`; `silent` when there are hosts and none was heard of lately."""
        if self._until is None:
            self._until = moment + self._lease
        if not silent:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = moment
        if self._silent_since is not None and moment - self._silent_since < _BORNE * self._lease:
            self._until = moment + self._lease
        return moment >= self._until
