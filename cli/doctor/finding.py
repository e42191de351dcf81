"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    #: Works, but somebody should look.
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """How one thing is, in words; `fix` says what to do when it is not `ok`."""

    name: str
    status: Status
    says: str
    fix: str = ""


def ok(name: str, says: str) -> Finding:
    return Finding(name, Status.OK, says)


def warn(name: str, says: str, fix: str) -> Finding:
    return Finding(name, Status.WARN, says, fix)


def fail(name: str, says: str, fix: str) -> Finding:
    return Finding(name, Status.FAIL, says, fix)
