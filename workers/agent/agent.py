"""The agent: registers this host, reports every two seconds, supervises its workers, reaps what they leave.

start: end leftovers → deliver spooled reports → register → start workers
each sync: what lives, what died → leases, cancels, drops, wishes, handed to the workers they concern
stop: workers drain and hand back → what is left is reaped → a last sync says so
"""

from __future__ import annotations

import threading
import time

import structlog
from pydantic import SecretStr

from shared.protocol import Registered
from shared.runtimes import RuntimeInfo
from shared.settings import Settings
from workers.agent import machine, reaper
from workers.agent.crew import Crew
from workers.agent.host_memory import HostMemory
from workers.agent.last_boot import BootMark
from workers.agent.share import Sharing
from workers.agent.voice import Voice
from workers.frontdoor import FrontDoor
from workers.pipe import Start

log = structlog.get_logger()

_CHECK_EVERY = 0.2
#: Seconds beyond the workers' own drain until they are ended.
_DRAIN_GRACE = 25.0


class Agent:
    """One host's life; what it says is `Voice`, whom it looks after is `Crew`."""

    def __init__(self, settings: Settings, token: SecretStr) -> None:
        self._settings, self._token = settings, token
        folder = settings.state_dir / "agent" / settings.host_name
        self._spool, self._scratch = folder / "spool", folder / "scratch"
        self._register = reaper.Register(folder / "processes.json")
        self._mark = BootMark(folder / "boot.json")
        self._stopping, self._news = threading.Event(), threading.Event()
        self._front_door = FrontDoor(settings.front_door, token, settings.trusted)
        self._crew = Crew(self._register)
        self._voice = Voice(settings, self._front_door, self._crew, self._spool, self._stopping)
        self._sharing = Sharing(settings, token, self._front_door.shelf, self._crew.engine_of)

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def run(self, runtimes: list[RuntimeInfo]) -> None:
        """Until `stop`; raises Unauthorized for a wrong token, StaleTransition when another agent took over."""
        self._register.end_leftovers()
        # After that, so that what an earlier agent left behind is not counted against this one.
        memory = HostMemory(self._settings, self._crew.workers)
        registered = self._voice.introduce(runtimes, memory, self._mark, self._sharing.open)
        if registered is None:
            return
        self._mark.leave(machine.boot_id())
        log.info("registered", host=registered.host, runtimes=[r.name for r in runtimes])
        self._sharing.serve_as(registered.host)
        if self._settings.find_models:
            threading.Thread(target=self._voice.tell_found, name="discovery", daemon=True).start()
        self._crew.hire(
            [r.name for r in runtimes],
            lambda worker, runtime: self._start_message(registered, worker, runtime),
            self._news.set,
        )
        try:
            self._watch(memory, registered.sync_seconds)
        finally:
            self._end(memory)

    def stop(self) -> None:
        """Begin to drain; `run` returns when nothing is left."""
        self._stopping.set()
        self._news.set()

    def kill(self) -> None:
        """End all workers and their runs at once."""
        self._crew.kill()

    def _watch(self, memory: HostMemory, every: float) -> None:
        next_sync = 0.0
        while not self._stopping.is_set():
            self._crew.look_after(stopping=False)
            memory.grant()
            turned = memory.look()
            if time.monotonic() >= next_sync or turned or self._crew.dead:
                next_sync = time.monotonic() + every
                self._voice.try_sync(memory)
            self._news.wait(_CHECK_EVERY)
            self._news.clear()

    def _end(self, memory: HostMemory) -> None:
        """Nothing outlives the agent, and the front door hears that everything here is over."""
        log.info("agent stops, workers drain")
        if self._stopping.is_set():
            # Before they drain, so that nothing new is given to them.
            self._voice.try_sync(memory)
        self._crew.dismiss(2 * self._settings.drain_seconds + _DRAIN_GRACE)
        self._voice.try_sync(memory)
        self._mark.clear()
        self._sharing.close()
        self._front_door.close()
        log.info("agent stopped")

    def _start_message(self, registered: Registered, worker: str, runtime: str) -> Start:
        return Start(
            worker=worker,
            runtime=runtime,
            host=registered.host,
            front_door=self._settings.front_door,
            token=self._token,
            trusted=self._settings.trusted.absolute() if self._settings.trusted is not None else None,
            redis_url=SecretStr(registered.redis_url),
            namespace=registered.namespace,
            drain_seconds=self._settings.drain_seconds,
            spool=str(self._spool),
            scratch=str(self._scratch),
            models=str(self._settings.data_dir / "models"),
            download_rate=self._settings.download_rate,
            powercap=str(self._settings.powercap),
        )
