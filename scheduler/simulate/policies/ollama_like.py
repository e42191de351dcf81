"""One queue on each host, as several Ollama servers behind a balancer that sends a job to the host with the fewest.

From Ollama 0.33 (`server/sched.go`): requests of a loaded model with a free slot go through; otherwise the head of the
queue blocks everyone behind it; at most three models are loaded, and one idle runner is ended at a time, the least
recently used. There are no classes and no keys. Generous to it: the balancer knows which host can hold a model at all,
and sends the jobs of a dead host elsewhere.
"""

from __future__ import annotations

from collections import Counter

from scheduler.decisions import Plan
from scheduler.simulate.board import Board
from scheduler.simulate.engine import Decide
from scheduler.views import HostView, JobView, Snapshot

NAME = "ollama-like"

#: `OLLAMA_MAX_LOADED_MODELS` of a host with one GPU.
_MAX_LOADED = 3


def policy() -> Decide:
    return _Balancer().plan


class _Balancer:
    """Remembers where it sent a job."""

    def __init__(self) -> None:
        self._sent: dict[str, str] = {}

    def plan(self, snapshot: Snapshot) -> Plan:
        board = Board(snapshot)
        queue = board.queue()
        self._send(board, queue)
        up = {name: host for name, host in snapshot.hosts.items() if host.open}
        full: set[tuple[str, str | None]] = set()
        blocked: set[str] = set()
        for job in queue:
            host = up.get(self._sent.get(job.id, ""))
            if host is None or (host.name, job.shape.model_id) in full or board.seat(job, [host]):
                continue
            full.add((host.name, job.shape.model_id))
            if host.name not in blocked:
                blocked.add(host.name)
                _load(board, job, host)
        return board.plan()

    def _send(self, board: Board, queue: list[JobView]) -> None:
        """To the host that has the fewest jobs waiting and running."""
        up = {name for name, host in board.snapshot.hosts.items() if host.open}
        load = Counter(self._sent[job.id] for job in queue if job.id in self._sent)
        for run in board.snapshot.runs:
            load[run.host or ""] += run.attempts
        for job in queue:
            sent = self._sent.get(job.id)
            if sent not in up:
                hosts = board.hosts(job)
                if hosts:
                    chosen = min(hosts, key=lambda host: (load[host.name], host.name)).name
                    self._sent[job.id] = chosen
                    load[chosen] += 1


def _load(board: Board, job: JobView, host: HostView) -> None:
    """The head of the queue: load its model, or end one idle runner and wait."""
    if board.loaded(job, [host]) or board.coming(job, [host]):
        return
    if board.count(host) < _MAX_LOADED and board.load(job, host):
        return
    idle = board.idle(host)
    if idle and not board.leaving(host):
        board.stop(idle[0], "makes room for the head of the queue")
