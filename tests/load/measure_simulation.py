"""Thousands of seeded lives of the queue under crashes; every invariant after every step."""

from __future__ import annotations

_SEEDS = 2000
