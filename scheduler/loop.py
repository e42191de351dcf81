"""The life of a scheduler: lead, look, decide, do, wait to be woken.

    every tick:   renew the lead → give up what is silent → look at everything → decide → do → explain
    when woken:   look at what is new → decide what that can help → do

A wake-up is a hint; the next tick heals whatever it missed. One look handles all wake-ups before it.
"""

from __future__ import annotations

import os
import random
import threading
import time

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from scheduler.apply import apply
from scheduler.explain import Explainer
from scheduler.fetcher import Fetcher
from scheduler.patience import Patience
from scheduler.planner import Planner
from scheduler.prune import Pruner
from scheduler.reading.snapshot import Reader
from scheduler.rescue import heal
from scheduler.send import Sender
from scheduler.timetable import Timetable
from shared import leader
from shared.broker import Dispatcher, Wake
from shared.db import Database
from shared.errors import StaleTransition
from shared.files import FileStore
from shared.identifiers import new_id
from shared.jobs.state import Timers
from shared.leader import Fence
from shared.settings import Settings

_log = structlog.get_logger(__name__)

#: Seconds to rest after a look at most; never longer than it took, so that a flood of wake-ups costs half a core.
_LONGEST_REST = 0.01
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_PRUNE_SECONDS = 600.0
_DAY = 86400.0


class Scheduler:
    """Leads when nobody else does; survives outages of the database and of Redis."""

    def __init__(self, settings: Settings, database: Database, dispatcher: Dispatcher, wake: Wake) -> None:
        self._settings = settings
        self._database = database
        self._wake = wake
        self._sender = Sender(dispatcher)
        self._timers = Timers(settings.lease_seconds, settings.claim_seconds)
        self._patience = Patience(settings.lease_seconds)
        self._reader = Reader(fetch=settings.fetch_models)
        self._planner = Planner()
        self._explainer = Explainer(database)
        self._timetable = Timetable(database)
        self._fetcher = Fetcher(database)
        self._pruner = Pruner(database, FileStore(settings.files), settings.retention_days * _DAY)
        self._holder = f"{settings.host_name[:24]}-{os.getpid()}-{new_id('s')[-8:]}"
        self._fence: Fence | None = None
        self._stopping = threading.Event()
        self._next_tick = self._next_prune = 0.0
        self._failures = 0

    def run(self) -> None:
        """Schedule until `stop`, then let another lead at once."""
        while not self._stopping.is_set():
            try:
                self._turn()
            except StaleTransition as error:
                _log.warning("no longer leads", reason=str(error))
                self._fence = None
            except (DBAPIError, PoolTimeout) as error:
                self._outage(error)
            except Exception:
                # A look that fails at one row must neither go unnoticed nor end the scheduling of all others.
                _log.exception("a look failed, looking again")
                self._pause()
            else:
                self._recovered()
        self._timetable.close()
        self._fetcher.close()
        self._resign()

    def stop(self) -> None:
        """End `run` after the look under way."""
        self._stopping.set()
        self._wake.close()

    # --- one turn ------------------------------------------------------------------------------

    def _turn(self) -> None:
        begun = time.monotonic()
        tick = begun >= self._next_tick
        if tick:
            self._next_tick = begun + self._settings.tick_seconds
            self._lead()
        if self._fence is not None:
            self._look(self._fence, whole=tick)
            self._stopping.wait(min(time.monotonic() - begun, _LONGEST_REST))
        self._sleep()

    def _sleep(self) -> None:
        """Until the next tick; a leader can be woken, and who only stands by leaves the bell to it."""
        left = max(0.0, self._next_tick - time.monotonic())
        if self._fence is not None and not self._stopping.is_set():
            self._wake.wait(left)
        else:
            self._stopping.wait(left)

    def _lead(self) -> None:
        """Take or renew the lead, and do what is due about once a second, in one transaction."""
        messages = None
        with self._database.write() as session:
            fence = leader.lead(session, self._holder, self._settings.leader_seconds)
            if fence != self._fence:
                self._begin_anew(fence)
            if fence is not None:
                messages = heal(session, fence, self._patience, self._settings.max_crashes)
        if messages is not None:
            self._sender.send(messages)

    def _begin_anew(self, fence: Fence | None) -> None:
        _log.info("leads" if fence else "stands by", epoch=fence.epoch if fence else None)
        self._fence = fence
        self._patience.restart()
        self._reader.waiting.clear()
        self._planner.forget()
        self._explainer.clear()

    def _look(self, fence: Fence, *, whole: bool) -> None:
        with self._database.read() as session:
            snapshot = self._reader.read(session, whole=whole)
        decided = self._planner.plan(snapshot) if whole else self._planner.replan(snapshot)
        if decided.acts:
            with self._database.write() as session:
                messages = apply(session, fence, decided, self._timers)
            self._sender.send(messages)
            settled = [each.job_id for each in decided.assigns] + list(decided.failures)
            self._reader.waiting.forget(settled)
            self._explainer.forget(settled)
        if whole:
            self._timetable.tick(fence)
            self._fetcher.tick(fence, decided.fetches)
            self._explainer.explain(fence, decided, self._reader.waiting.overflow)
            self._prune(fence)

    def _prune(self, fence: Fence) -> None:
        if time.monotonic() >= self._next_prune and not self._pruner.prune(fence):
            self._next_prune = time.monotonic() + _PRUNE_SECONDS

    # --- trouble -------------------------------------------------------------------------------

    def _outage(self, error: Exception) -> None:
        """The database does not answer. Workers could not report either, so nothing is given up soon after."""
        if not self._failures:
            _log.warning("the database does not answer, going on when it does", reason=str(error))
        self._patience.restart()
        self._pause()

    def _pause(self) -> None:
        """Then everything is looked at anew."""
        self._failures += 1
        self._reader.waiting.clear()
        self._next_tick = 0.0
        pause = min(_FIRST_PAUSE * 2 ** min(self._failures, 10), _LONGEST_PAUSE)
        self._stopping.wait(pause * random.uniform(0.5, 1.0))

    def _recovered(self) -> None:
        if self._failures:
            _log.info("looks succeed again", failures=self._failures)
            self._failures = 0

    def _resign(self) -> None:
        if self._fence is None:
            return
        try:
            with self._database.write() as session:
                leader.resign(session, self._fence)
        except (DBAPIError, PoolTimeout) as error:
            _log.warning("could not resign, the lead ends by itself", reason=str(error))
