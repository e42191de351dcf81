"""First in, first out over the whole fleet: whoever is first gets a slot, a load, or everyone waits with them."""

from __future__ import annotations

from scheduler.decisions import Plan
from scheduler.simulate.board import Board
from scheduler.simulate.engine import Decide
from scheduler.views import JobView, Snapshot

NAME = "fifo"


def policy() -> Decide:
    return _plan


def _plan(snapshot: Snapshot) -> Plan:
    board = Board(snapshot)
    for job in board.queue():
        if not _serve(board, job):
            break
    return board.plan()


def _serve(board: Board, job: JobView) -> bool:
    """Seat it or begin to load for it, on the host with most room; idle runs go, the least recently used first."""
    hosts = board.hosts(job)
    if board.seat(job, hosts):
        return True
    if board.loaded(job, hosts) or board.coming(job, hosts):
        return False
    hosts.sort(key=lambda host: (-board.free(host), host.name))
    if any(board.load(job, host) for host in hosts):
        return False
    need = board.size(job).need.total
    for host in hosts:
        idle = board.idle(host)
        if not board.leaving(host) and board.free(host) + sum(run.held for run in idle) >= need:
            freed = board.free(host)
            for run in idle:
                if freed < need:
                    board.stop(run, "makes room for the first in the queue")
                    freed += run.held
            break
    return False
