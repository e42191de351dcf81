"""The memory of this host, as its agent keeps it: watched over all runs of all workers, wired by one ledger."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from shared.settings import Settings
from shared.units import Bytes
from shared.vocabulary import Guard
from workers.agent.memory.watch import MemoryState, MemoryWatch
from workers.agent.supervisor import Supervised
from workers.agent.wiring import Wiring, WiringLedger
from workers.pipe import Status, Wired

log = structlog.get_logger()


class HostMemory:
    """Raises ConfigError for a memory script that cannot be read."""

    def __init__(self, settings: Settings, workers: Sequence[Supervised]) -> None:
        """`workers` may still grow."""
        self._watch = MemoryWatch.of(settings)
        self._ledger = WiringLedger(Wiring(settings.wired_memory))
        self._workers = workers

    @property
    def state(self) -> MemoryState:
        return self._watch.state

    def told(self) -> dict[str, object]:
        """The fields of `Telemetry` that are known here."""
        return self._watch.told()

    def look(self, *, now: bool = False) -> bool:
        """Measure when it is time, or `now`; whether the guard changed its mind, which the front door must hear."""
        processes = [process for _, status in self._living() for process in status.processes]
        loading = not all(process.ready for process in processes)
        turned = self._watch.look([process.pid for process in processes], loading=loading, now=now)
        if turned:
            verdict = self.state.verdict
            tell = log.info if verdict.guard == Guard.OPEN else log.warning
            tell("memory guard turned", guard=verdict.guard, reason=verdict.reason or "there is enough again")
        return turned

    def grant(self) -> None:
        """Tell runs that are about to start what they may wire; what gone ones had is free again."""
        living = self._living()
        self._ledger.keep({(r.run_id, r.generation) for _, s in living for r in (*s.runs, *s.processes, *s.wiring)})
        reading = self.state.reading
        for worker, status in living:
            for wish in status.wiring:
                key = (wish.run_id, wish.generation)
                wired = self._ledger.grant(key, Bytes(wish.weights), reading.total, reading.metal_cap)
                worker.tell(Wired(run_id=wish.run_id, generation=wish.generation, wired=wired))

    def _living(self) -> list[tuple[Supervised, Status]]:
        return [(worker, worker.life.status) for worker in self._workers if worker.life is not None]
