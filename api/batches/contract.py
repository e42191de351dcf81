"""What batches are made of, and what a dialect of them says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from api.gateway.exchange import Exchange
from shared.errors import Problem


class BatchState(StrEnum):
    """In OpenAI's words."""

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Unanswered(StrEnum):
    """Why a line was never answered."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of a batch that can be asked."""

    custom_id: str
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Part:
    """What one job works through: a file of lines for one model."""

    job: str
    file: str
    #: As all of its lines call it; `None`: they call it in several ways.
    model: str | None
    lines: int


class Dialect(Protocol):
    """How one dialect writes its lines; each answer is one JSON object of the output or error file."""

    #: What a batch keeps of it.
    name: str
    #: What the ids of its batches begin with.
    id_prefix: str
    #: Do answers and errors go into one file?
    together: bool

    def read(self, written: Any, endpoint: str) -> Asked:
        """One line. Raises InvalidParameters."""

    def answered(self, custom_id: str, said: Any) -> dict[str, Any]:
        """`said` is the answer as the dialect's clients read it."""

    def refused(self, custom_id: str | None, problem: Problem, status: int) -> dict[str, Any]: ...

    def unanswered(self, custom_id: str | None, why: Unanswered) -> dict[str, Any]: ...
