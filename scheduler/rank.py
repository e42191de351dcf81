"""Who comes first, and which place is best."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.views import JobView, RunView


def in_order(jobs: Iterable[JobView], runs: Iterable[RunView]) -> list[JobView | RunView]:
    """Jobs and pending runs together: the more urgent class first, then the older, then by id."""
    return sorted([*jobs, *runs], key=_turn)


def _turn(item: JobView | RunView) -> tuple[int, float, str]:
    if isinstance(item, JobView):
        return item.shape.rank, item.queued_at, item.id
    return item.rank, item.created_at, item.id


def fit_order(left: int, attempts: int, host: str, runtime: str) -> tuple[int, int, str, str]:
    """Tightest fit first, so that big holes stay for big models; then the host with least to do."""
    return left, attempts, host, runtime
