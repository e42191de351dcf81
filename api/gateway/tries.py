"""What is asked again when an engine does not answer: once elsewhere, and once where a long request has room."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from api.gateway.exchange import Exchange
from api.gateway.refusal import Lost
from api.gateway.seats import Seat
from shared.errors import CannotFit, ContextExceeded


@dataclass(slots=True)
class Tries:
    """One exchange on its way to an answer."""

    exchange: Exchange
    #: Runs that went away while they were asked.
    lost: list[str] = field(default_factory=list)
    #: Why a run with more context is looked for.
    refused: ContextExceeded | None = None

    def again(self, seat: Seat, error: Lost | ContextExceeded, *, told: bool = False) -> None:
        """Make ready to ask once more; raises the error when that has been done, or the client was told something."""
        if isinstance(error, Lost):
            self.lost.append(seat.run_id)
            if told or len(self.lost) > 1:
                raise error.problem from error
            return
        if told or self.refused is not None:
            raise error
        self.refused = error
        # Engines that tell no number have at least said that theirs is too small.
        self.exchange = replace(self.exchange, tokens=max(error.tokens or 0, seat.context))

    def nowhere(self, error: CannotFit) -> CannotFit | ContextExceeded:
        """What to say when no run can be had: that the request is too long, if that was why one was looked for."""
        if self.refused is None:
            return error
        problem = self.refused.problem
        why = f"{problem.why}; and {error.problem.what}: {error.problem.why}"
        details = problem.details | error.problem.details
        self.refused.problem = problem.model_copy(update={"why": why, "details": details})
        return self.refused
