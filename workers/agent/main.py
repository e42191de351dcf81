"""The agent: registers this host, reports every two seconds, supervises its workers, reaps what they leave.

start: end leftovers → deliver spooled reports → register → start workers
each sync: what lives, what died → leases, cancels, drops, wishes, handed to the workers they concern
stop: workers drain and hand back → what is left is reaped → a last sync says so
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeVar

import structlog
from pydantic import SecretStr

from shared import protocol
from shared.errors import CidermillError, ConfigError, StaleTransition, Unauthorized, Unavailable
from shared.identifiers import new_id
from shared.logs import configure_logs
from shared.protocol import AttemptRef, Registered, RunRef
from shared.runtimes import RuntimeInfo
from shared.settings import Settings
from shared.store.discovery import look
from shared.store.wire import Found
from shared.vocabulary import Guard
from workers.agent import machine, reaper
from workers.agent.host_memory import HostMemory
from workers.agent.last_boot import BootMark, panic_reports
from workers.agent.share import Sharing
from workers.agent.supervisor import Death, Supervised
from workers.agent.telemetry import collect
from workers.frontdoor import FrontDoor
from workers.outbox import deliver
from workers.pipe import Start, Status, Stop, Synced
from workers.runtimes import discover
from workers.spool import left_behind
from workers.store import host_store

log = structlog.get_logger()

T = TypeVar("T")

_CHECK_EVERY = 0.2
#: Pauses, in seconds, after which a front door that does not answer is worth a warning.
_EARLY = 3.0
_VERSION = "0.1.0"


class Agent:
    """One host's voice."""

    def __init__(self, settings: Settings, token: SecretStr) -> None:
        self._settings, self._token = settings, token
        self._id = new_id("agent")
        self._front_door = FrontDoor(settings.front_door, token)
        folder = settings.state_dir / "agent" / settings.host_name
        self._spool, self._scratch = folder / "spool", folder / "scratch"
        self._register = reaper.Register(folder / "processes.json")
        self._mark = BootMark(folder / "boot.json")
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._sharing = Sharing(settings, token, self._front_door.shelf, self._engine_of)
        self._registered: Registered | None = None
        self._workers: list[Supervised] = []
        self._dead_runs: list[RunRef] = []
        self._dead_workers: list[str] = []
        self._memory: HostMemory

    # --- life ---

    def run(self) -> None:
        """Until `stop`; raises Unauthorized for a wrong token, StaleTransition when another agent took over."""
        self._register.end_leftovers()
        # After that, so that what an earlier agent left behind is not counted against this one.
        self._memory = HostMemory(self._settings, self._workers)
        runtimes = offered(self._settings)
        self._registered = self._when_reachable(lambda: self._introduce(runtimes))
        if self._registered is None:
            return
        self._mark.leave(machine.boot_id())
        log.info("registered", host=self._registered.host, runtimes=[r.name for r in runtimes])
        self._sharing.serve_as(self._registered.host)
        if self._settings.find_models:
            threading.Thread(target=self._find_models, name="discovery", daemon=True).start()
        self._workers += [Supervised(r.name, self._start_message, self._news.set) for r in runtimes]
        try:
            self._watch(self._registered.sync_seconds)
        finally:
            self._end()

    def stop(self) -> None:
        self._stopping.set()
        self._news.set()

    def _watch(self, every: float) -> None:
        next_sync = 0.0
        while not self._stopping.is_set():
            self._look_after_workers(stopping=False)
            self._memory.grant()
            turned = self._memory.look()
            if time.monotonic() >= next_sync or turned or self._dead_runs or self._dead_workers:
                next_sync = time.monotonic() + every
                self._try_sync()
            self._news.wait(_CHECK_EVERY)
            self._news.clear()

    def _end(self) -> None:
        """Nothing outlives the agent, and the front door hears that everything here is over."""
        log.info("agent stops, workers drain")
        if self._stopping.is_set():
            # Before they drain, so that nothing new is given to them.
            self._try_sync()
        for worker in self._workers:
            worker.tell(Stop())
        deadline = time.monotonic() + 2 * self._settings.drain_seconds + 25.0
        while any(w.life for w in self._workers) and time.monotonic() < deadline:
            self._look_after_workers(stopping=True)
            time.sleep(0.05)
        for worker in self._workers:
            worker.kill()
        self._look_after_workers(stopping=True)
        self._try_sync()
        self._mark.clear()
        self._sharing.close()
        self._front_door.close()
        log.info("agent stopped")

    # --- workers ---

    def _start_message(self, worker: str, runtime: str) -> Start:
        if self._registered is None:
            raise ConfigError("The agent is not registered yet")
        return Start(
            worker=worker,
            runtime=runtime,
            host=self._registered.host,
            front_door=self._settings.front_door,
            token=self._token,
            redis_url=SecretStr(self._registered.redis_url),
            namespace=self._registered.namespace,
            lease_seconds=self._registered.lease_seconds,
            drain_seconds=self._settings.drain_seconds,
            spool=str(self._spool),
            scratch=str(self._scratch),
            models=str(self._settings.data_dir / "models"),
            download_rate=self._settings.download_rate,
        )

    def _look_after_workers(self, *, stopping: bool) -> None:
        for worker in self._workers:
            death = worker.check(stopping)
            if death is not None:
                self._bury(death)
        lives = [w.life for w in self._workers if w.life is not None]
        self._register.write(
            [(life.process.pid, life.created) for life in lives], [p for life in lives for p in life.status.processes]
        )

    def _bury(self, death: Death) -> None:
        """Its run processes end with it; what it could not report is delivered first, then its death is."""
        self._dead_runs += reaper.reap_runs(death.processes)
        self._dead_workers.append(death.worker)

    def _engine_of(self, run_id: str, generation: int) -> str | None:
        """Where a load of a run answers, as its worker says."""
        for worker in list(self._workers):
            life = worker.life
            for record in life.status.processes if life is not None else ():
                if (record.run_id, record.generation) == (run_id, generation) and record.ready:
                    return record.url
        return None

    # --- the front door ---

    def _introduce(self, runtimes: list[RuntimeInfo]) -> Registered:
        self._deliver_spooled()
        shared = self._sharing.open()
        return self._front_door.register(
            protocol.Register(
                agent=self._id,
                boot_id=machine.boot_id(),
                unclean_end=self._mark.unclean_end(machine.boot_id(), panic_reports()),
                version=_VERSION,
                platform=machine.platform_name(),
                memory_total=self._memory.state.reading.total,
                budget=self._memory.state.budget,
                capacity=self._memory.state.capacity,
                disk_free=collect().disk_free or 0,
                runtimes=runtimes,
                labels=self._settings.labels,
                peer_url=shared.models,
                engine_url=shared.engines,
            )
        )

    def _find_models(self) -> None:
        """Tell the front door once what other programs keep here; `cidermill models scan` looks again."""
        found = look(Path(host_store(self._settings.data_dir / "models").cache_dir))
        message = Found(searched=found.searched, models=found.models)
        try:
            self._when_reachable(lambda: self._front_door.found(message))
        except CidermillError as error:
            log.warning("models of other programs are not known to the front door", error=str(error))

    def _deliver_spooled(self) -> None:
        """Reports of workers that are gone. Raises Unavailable when the front door is away."""
        living = {w.life.worker for w in self._workers if w.life is not None}
        for spool in left_behind(self._spool):
            if spool.path.stem not in living:
                sent = spool.replay(lambda entry: _ignore(deliver(self._front_door, entry)))
                log.info("delivered what a gone worker had kept", worker=spool.path.stem, reports=sent)

    def _try_sync(self) -> None:
        try:
            if self._dead_workers:
                self._deliver_spooled()
            self._sync()
        except Unavailable as error:
            log.warning("front door unreachable, going on", error=str(error))
        except (Unauthorized, StaleTransition):
            raise
        except CidermillError as error:
            log.error("sync refused", error=str(error))

    def _sync(self) -> None:
        said = [(worker, worker.take_logs()) for worker in self._workers]
        heard: list[tuple[Supervised, Status]] = [(w, s) for w, s in said if s is not None]
        if self._memory.state.verdict.guard == Guard.SHEDDING:
            # Runs end by this word, so that it must not count one that is gone by now.
            self._memory.look(now=True)
        dead_runs, dead_workers = self._dead_runs[:], self._dead_workers[:]
        answer = self._front_door.sync(
            protocol.Sync(
                agent=self._id,
                budget=self._memory.state.budget,
                capacity=self._memory.state.capacity,
                guard=self._memory.state.verdict.guard,
                telemetry=collect().model_copy(update=self._memory.told()),
                workers=[s for w in self._workers if (s := w.status(retiring=self._stopping.is_set())) is not None],
                attempts=[a for _, status in heard for a in status.attempts],
                runs=[r for _, status in heard for r in status.runs],
                dead_runs=dead_runs,
                dead_workers=dead_workers,
                logs=[line for _, status in heard for line in status.logs],
            )
        )
        del self._dead_runs[: len(dead_runs)], self._dead_workers[: len(dead_workers)]
        for worker, status in heard:
            worker.tell(_concerning(worker.runtime, status, answer))
        self._dead_runs += _unknown(answer.drop_runs, [w.life.status for w in self._workers if w.life is not None])

    def _when_reachable(self, call: Callable[[], T]) -> T | None:
        """Repeat until the front door answers; `None` when the agent is stopped before that."""
        delay = 0.1
        while not self._stopping.is_set():
            try:
                return call()
            except Unavailable as error:
                # Started together with it, an agent is early by a few seconds, which is nobody's concern.
                say = log.warning if delay > _EARLY else log.debug
                say("waiting for the front door", error=str(error))
                self._stopping.wait(delay)
                delay = min(5.0, delay * 2)
        return None


def _ignore(_: object) -> None:
    """What a gone worker reported too late concerns nobody."""


def _concerning(runtime: str, status: Status, answer: protocol.Synced) -> Synced:
    """The part of the front door's answer that is about this worker."""
    mine = {(a.job_id, a.attempt) for a in status.attempts}
    my_runs = {(r.run_id, r.generation) for r in status.runs}

    def own(refs: list[AttemptRef]) -> list[AttemptRef]:
        return [ref for ref in refs if (ref.job_id, ref.attempt) in mine]

    return Synced(
        cancel=own(answer.cancel),
        preempt=own(answer.preempt),
        drop=own(answer.drop),
        drop_runs=[ref for ref in answer.drop_runs if (ref.run_id, ref.generation) in my_runs],
        wishes=[RunRef(run_id=w.run_id, generation=w.generation) for w in answer.wishes if w.runtime == runtime],
        attended={run_id: slots for run_id, slots in answer.attended.items() if run_id in {r for r, _ in my_runs}},
        download_rate=answer.download_rate,
    )


def _unknown(dropped: list[RunRef], statuses: list[Status]) -> list[RunRef]:
    """Loads that were given up and that no worker here has, or has any more: their death is confirmed."""
    here = {(r.run_id, r.generation) for status in statuses for r in (*status.runs, *status.processes)}
    return [ref for ref in dropped if (ref.run_id, ref.generation) not in here]


def offered(settings: Settings) -> list[RuntimeInfo]:
    """What this host can run, as the settings allow. Raises ConfigError for a runtime that is not there."""
    found = {name: info for name, runtime in discover().items() if (info := runtime.probe()) is not None}
    if settings.runtimes is None:
        return list(found.values())
    missing = [name for name in settings.runtimes if name not in found]
    if missing:
        raise ConfigError(
            f"This host has no runtime {', '.join(missing)}",
            f"found here: {', '.join(found) or 'none'}",
            "install the missing one, or change the setting `runtimes`",
        )
    return [found[name] for name in settings.runtimes]


def host_token(settings: Settings) -> SecretStr:
    """The token of this host: from the settings, or from the file that joining wrote. Raises ConfigError."""
    if settings.host_token is not None:
        return settings.host_token
    path = settings.token_file
    if not path.exists():
        raise ConfigError(
            "This host has not joined a fleet",
            f"there is no host token in {path}",
            "run `cidermill hosts join NAME` on the front door, then `cidermill agent --join URL --token TOKEN` here",
        )
    return SecretStr(path.read_text(encoding="utf-8").strip())


def run(settings: Settings) -> int:
    """Be this host's agent until SIGTERM or Ctrl-C; a second signal ends everything at once."""
    configure_logs(settings, "agent")
    agent = Agent(settings, host_token(settings))

    def on_signal(_: int, __: FrameType | None) -> None:
        if agent._stopping.is_set():
            for worker in agent._workers:
                worker.kill()
            os._exit(130)
        agent.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        agent.run()
    except CidermillError as error:
        log.error("agent ended", error=str(error))
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
