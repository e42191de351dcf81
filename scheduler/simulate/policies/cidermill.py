"""Ours: the very function that schedules a fleet."""

from __future__ import annotations

from scheduler.plan import plan
from scheduler.simulate.engine import Decide

NAME = "cidermill"


def policy() -> Decide:
    return plan
