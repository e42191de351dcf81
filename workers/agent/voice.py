"""What this host says to the front door, in one voice: who it is, what lives, what died, what it found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import structlog

from shared import protocol
from shared.errors import CidermillError, StaleTransition, Unauthorized, Unavailable
from shared.identifiers import new_id
from shared.protocol import Registered
from shared.runtimes import RuntimeInfo
from shared.settings import Settings
from shared.store.discovery import look
from shared.store.wire import Found
from shared.vocabulary import Guard
from workers.agent import disk, machine
from workers.agent.crew import Crew, Dead, request_slots
from workers.agent.host_memory import HostMemory
from workers.agent.last_boot import BootMark, panic_reports
from workers.agent.power import PowerWatch
from workers.agent.share import Shared
from workers.agent.supervisor import Supervised
from workers.agent.telemetry import collect
from workers.frontdoor import FrontDoor
from workers.outbox import deliver_all_left
from workers.pipe import Status
from workers.power import find_counter

log = structlog.get_logger()

T = TypeVar("T")

_VERSION = version("cidermill")
#: Pauses, in seconds, after which a front door that does not answer is worth a warning.
_EARLY = 3.0
_PAUSE_FIRST, _PAUSE_LIMIT = 0.1, 5.0


class Voice:
    """Raises Unauthorized for a wrong token, StaleTransition when another agent took over this host."""

    def __init__(
        self, settings: Settings, front_door: FrontDoor, crew: Crew, spool: Path, stopping: threading.Event
    ) -> None:
        self._settings, self._front_door, self._crew = settings, front_door, crew
        self._spool, self._stopping = spool, stopping
        self._agent = new_id("agent")
        self._store = disk.model_store(settings)
        self._power = PowerWatch(find_counter(settings.powercap))
        #: Slots of requests, as the front door last told.
        self._requests = 0

    def introduce(
        self, runtimes: list[RuntimeInfo], memory: HostMemory, mark: BootMark, open_shared: Callable[[], Shared]
    ) -> Registered | None:
        """Register this host, as soon as the front door can be reached; `None` when stopped before that."""
        return self._when_reachable(lambda: self._register(runtimes, memory, mark, open_shared()))

    def _register(self, runtimes: list[RuntimeInfo], memory: HostMemory, mark: BootMark, shared: Shared) -> Registered:
        self._deliver_spooled()
        return self._front_door.register(
            protocol.Register(
                agent=self._agent,
                boot_id=machine.boot_id(),
                unclean_end=mark.unclean_end(machine.boot_id(), panic_reports()),
                version=_VERSION,
                platform=machine.platform_name(),
                memory_total=memory.state.reading.total,
                budget=memory.state.budget,
                capacity=memory.state.capacity,
                disk_free=self._store.cache_disk.free(),
                runtimes=runtimes,
                labels=self._settings.labels,
                peer_url=shared.models,
                engine_url=shared.engines,
            )
        )

    def tell_found(self) -> None:
        """Tell the front door once what other programs keep here; `cidermill models scan` looks again."""
        found = look(Path(self._store.cache_dir))
        message = Found(searched=found.searched, models=found.models)
        try:
            self._when_reachable(lambda: self._front_door.found(message))
        except CidermillError as error:
            log.warning("models of other programs are not known to the front door", error=str(error))

    def try_sync(self, memory: HostMemory) -> None:
        """Say what lives and died, hand out what comes back; a front door that is away hears it the next time."""
        try:
            if self._crew.dead.workers:
                self._deliver_spooled()
            self._sync(memory)
        except Unavailable as error:
            log.warning("front door unreachable, going on", error=str(error))
        except (Unauthorized, StaleTransition):
            raise
        except CidermillError as error:
            log.error("sync refused", error=str(error))

    def _sync(self, memory: HostMemory) -> None:
        heard = [(worker, status) for worker in self._crew.workers if (status := worker.take_logs()) is not None]
        if memory.state.verdict.guard == Guard.SHEDDING:
            # Runs end by this word, so that it must not count one that is gone by now.
            memory.look(now=True)
        dead = self._crew.dead
        try:
            answer = self._front_door.sync(self._said(memory, heard, dead))
        except Unavailable:
            # Only what was not heard: lines that are refused would be refused again.
            for worker, status in heard:
                worker.keep_logs(status.logs)
            raise
        self._crew.forget(dead)
        self._requests = request_slots(answer)
        self._crew.hand_out(answer, heard, self._power.idle)

    def _said(self, memory: HostMemory, heard: Sequence[tuple[Supervised, Status]], dead: Dead) -> protocol.Sync:
        retiring = self._stopping.is_set()
        told = {**memory.told(), **disk.told(self._store), **self._energy(heard)}
        return protocol.Sync(
            agent=self._agent,
            budget=memory.state.budget,
            capacity=memory.state.capacity,
            guard=memory.state.verdict.guard,
            telemetry=collect().model_copy(update=told),
            workers=[s for w in self._crew.workers if (s := w.status(retiring=retiring)) is not None],
            attempts=[a for _, status in heard for a in status.attempts],
            runs=[r for _, status in heard for r in status.runs],
            dead_runs=list(dead.runs),
            dead_workers=list(dead.workers),
            logs=[line for _, status in heard for line in status.logs],
        )

    def _energy(self, heard: Sequence[tuple[Supervised, Status]]) -> dict[str, object]:
        """Fields of `Telemetry`: what was used, and by how many slots; none without a counter."""
        slots = sum(status.slots for _, status in heard)
        at_work = any(status.attempts or not all(p.ready for p in status.processes) for _, status in heard)
        self._power.look(working=at_work or self._requests > 0)
        told = self._power.told()
        return told | {"job_slots": slots, "request_slots": self._requests} if told else {}

    def _deliver_spooled(self) -> None:
        """Reports of workers that are gone. Raises Unavailable when the front door is away, and Unauthorized."""
        deliver_all_left(self._front_door, self._spool, self._crew.living())

    def _when_reachable(self, call: Callable[[], T]) -> T | None:
        """Repeat until the front door answers; `None` when the agent is stopped before that."""
        pause = _PAUSE_FIRST
        while not self._stopping.is_set():
            try:
                return call()
            except Unavailable as error:
                # Started together with it, an agent is early by a few seconds, which is nobody's concern.
                say = log.warning if pause > _EARLY else log.debug
                say("waiting for the front door", error=str(error))
                self._stopping.wait(pause)
                pause = min(_PAUSE_LIMIT, pause * 2)
        return None
