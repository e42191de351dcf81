"""The workers of this host, and what died here that the front door has not heard of yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.protocol import RunRef, Synced
from workers.agent import reaper
from workers.agent.supervisor import Supervised
from workers.pipe import RunProcessRecord, Start, Status, Stop
from workers.pipe import Synced as Heard

_LOOK_EVERY = 0.05


@dataclass(frozen=True)
class Dead:
    """Loads and workers whose processes are surely gone."""

    runs: tuple[RunRef, ...]
    workers: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.runs or self.workers)


class Crew:
    """One worker per runtime. Nothing outlives it: the run processes of a dead worker are reaped."""

    def __init__(self, register: reaper.Register) -> None:
        self._register = register
        #: Grows once, in `hire`; others may keep hold of it.
        self.workers: list[Supervised] = []
        self._dead_runs: list[RunRef] = []
        self._dead_workers: list[str] = []

    def hire(self, runtimes: Sequence[str], start: Callable[[str, str], Start], on_news: Callable[[], None]) -> None:
        self.workers += [Supervised(runtime, start, on_news) for runtime in runtimes]

    def look_after(self, *, stopping: bool) -> None:
        """Bury who died, start who is missing, and note all processes for an agent that comes after this one."""
        for worker in self.workers:
            death = worker.check(stopping)
            if death is not None:
                self._dead_runs += reaper.reap_runs(death.processes)
                self._dead_workers.append(death.worker)
        lives = [w.life for w in self.workers if w.life is not None]
        self._register.write(
            [(life.process.pid, life.birth) for life in lives], [p for life in lives for p in life.status.processes]
        )

    def dismiss(self, seconds: float) -> None:
        """Let all drain for so long, then end what is left."""
        for worker in self.workers:
            worker.tell(Stop())
        deadline = time.monotonic() + seconds
        while any(w.life for w in self.workers) and time.monotonic() < deadline:
            self.look_after(stopping=True)
            time.sleep(_LOOK_EVERY)
        self.kill()
        self.look_after(stopping=True)

    def kill(self) -> None:
        """End every worker and its runs at once."""
        for worker in self.workers:
            worker.kill()

    # --- what is known of it ---

    @property
    def dead(self) -> Dead:
        return Dead(tuple(self._dead_runs), tuple(self._dead_workers))

    def forget(self, dead: Dead) -> None:
        """The front door has heard of these."""
        del self._dead_runs[: len(dead.runs)], self._dead_workers[: len(dead.workers)]

    def living(self) -> set[str]:
        return {w.life.worker for w in self.workers if w.life is not None}

    def engine_of(self, run_id: str, generation: int) -> str | None:
        """Where a load of a run answers, as its worker says."""
        for process in self._processes():
            if (process.run_id, process.generation) == (run_id, generation) and process.ready:
                return process.url
        return None

    def hand_out(
        self, answer: Synced, heard: Sequence[tuple[Supervised, Status]], idle_watts: float | None = None
    ) -> None:
        """Tell each worker its part of the front door's answer; a load to drop that none has is dead already."""
        slots = sum(status.slots for _, status in heard) + request_slots(answer)
        for worker, status in heard:
            news = {"idle_watts": idle_watts, "other_slots": slots - status.slots}
            worker.tell(_concerning(worker.runtime, status, answer).model_copy(update=news))
        here = {
            (run.run_id, run.generation)
            for worker in self.workers
            if worker.life is not None
            for run in (*worker.life.status.runs, *worker.life.status.processes)
        }
        self._dead_runs += [ref for ref in answer.drop_runs if (ref.run_id, ref.generation) not in here]

    def _processes(self) -> list[RunProcessRecord]:
        return [p for w in self.workers if (life := w.life) is not None for p in life.status.processes]


def request_slots(answer: Synced) -> int:
    """Slots that requests of people have; of each run that people use one more is left free for the next."""
    return sum(max(0, slots - 1) for slots in answer.attended.values())


def _concerning(runtime: str, status: Status, answer: Synced) -> Heard:
    """The part of the front door's answer that is about this worker."""
    attempts = {(a.job_id, a.attempt) for a in status.attempts}
    runs = {(r.run_id, r.generation) for r in status.runs}
    run_ids = {run_id for run_id, _ in runs}
    return Heard(
        cancel=[ref for ref in answer.cancel if (ref.job_id, ref.attempt) in attempts],
        preempt=[ref for ref in answer.preempt if (ref.job_id, ref.attempt) in attempts],
        drop=[ref for ref in answer.drop if (ref.job_id, ref.attempt) in attempts],
        drop_runs=[ref for ref in answer.drop_runs if (ref.run_id, ref.generation) in runs],
        wishes=[RunRef(run_id=w.run_id, generation=w.generation) for w in answer.wishes if w.runtime == runtime],
        attended={run_id: slots for run_id, slots in answer.attended.items() if run_id in run_ids},
        download_rate=answer.download_rate,
    )
