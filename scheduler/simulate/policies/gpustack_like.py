"""Models are deployed where most memory is free and stay, as in GPUStack 2.2: spread, one instance each, no eviction.

Requests queue at their model, in the order they came, and never at one another's. Generous to it: GPUStack never ends
a deployment by itself, so that models which do not all fit would wait for ever; here somebody takes one down once it
was idle for five minutes and another waits. And what waits is tried at once, where GPUStack looks every 180 s.
"""

from __future__ import annotations

from scheduler.decisions import Plan
from scheduler.simulate.board import Board
from scheduler.simulate.engine import Decide
from scheduler.views import JobView, Snapshot

NAME = "gpustack-like"

#: Seconds after which somebody takes an idle deployment down.
_UNUSED = 300.0


def policy() -> Decide:
    return _plan


def _plan(snapshot: Snapshot) -> Plan:
    board = Board(snapshot)
    refused: set[str] = set()
    for job in board.queue():
        if job.shape.model_id not in refused and not board.seat(job, board.hosts(job)):
            refused.add(job.shape.model_id or "")
            _deploy(board, job)
    return board.plan()


def _deploy(board: Board, job: JobView) -> None:
    """An instance, unless there is one; where nothing fits, what is long unused goes."""
    hosts = board.hosts(job)
    if board.loaded(job, hosts) or board.coming(job, hosts):
        return
    hosts.sort(key=lambda host: (-board.free(host), host.name))
    if any(board.load(job, host) for host in hosts):
        return
    for host in hosts:
        for run in board.idle(host):
            if board.snapshot.now - run.last_used_at >= _UNUSED:
                board.stop(run, "nobody has used it for five minutes")
                return
