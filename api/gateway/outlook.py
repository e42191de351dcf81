"""The runs that could answer, as this process last saw them: requests find them without asking the database.

What was asked for lately is read again four times a second, and as soon as a run changes. What is not known here is
looked up, once for all who ask at the same moment; what has changed since shows when it is used, and then another run
is looked for.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.bell import Bell
from api.gateway import model_names
from api.gateway.model_names import Found
from api.gateway.routing import Candidate, Reach
from api.host_name import host_of
from shared import engine_pass
from shared.db import Database
from shared.errors import CidermillError
from shared.runs import queries
from shared.runtimes import Endpoint
from shared.settings import LOOPBACK, Settings
from shared.tables import Host, Run
from shared.vocabulary import Capability, RunState

_log = structlog.get_logger(__name__)

#: Seconds between two looks at what is in demand, how old a look may be, and for how long something is in demand.
_EVERY, _FRESH, _DEMAND = 0.25, 1.0, 5.0
_MOST = 512


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for: a model by any of its names, and what it is to do."""

    name: str
    capability: Capability


@dataclass(frozen=True)
class View:
    """What could answer, the ready runs first."""

    found: Found
    runs: tuple[Candidate, ...]
    #: `time.monotonic()` when the look began that read it.
    at: float


class Outlook:
    """Views by what was asked for."""

    def __init__(self, database: Database, settings: Settings, news: Bell) -> None:
        self._database, self._settings, self._news = database, settings, news
        self._views: dict[Wanted, View] = {}
        self._asked: dict[Wanted, float] = {}
        self._looking: dict[Wanted, asyncio.Task[View]] = {}

    def glance(self, wanted: Wanted) -> View | None:
        """What is known without looking; `None` when that is too little or too old."""
        moment = time.monotonic()
        self._asked[wanted] = moment
        view = self._views.get(wanted)
        return view if view is not None and view.at > moment - _FRESH else None

    async def look(self, wanted: Wanted, since: float = 0.0) -> View:
        """Look now, together with all who want to know the same. Raises NotFound, InvalidParameters.

        Others may have begun earlier; who has learned something by then must not be shown what was before it: `since`.
        """
        view = await self._look(wanted)
        return view if view.at >= since else await self._look(wanted)

    async def _look(self, wanted: Wanted) -> View:
        self._asked[wanted] = time.monotonic()
        task = self._looking.get(wanted)
        if task is None:
            task = self._looking[wanted] = asyncio.create_task(self._renewed(wanted))
            task.add_done_callback(lambda _: self._looking.pop(wanted, None))
        try:
            # One who leaves does not take the answer from the others.
            return await asyncio.shield(task)
        except CidermillError:
            # To find out that a name means nothing takes longest of all, and need not be done again unasked.
            self._asked.pop(wanted, None)
            raise

    async def run(self) -> None:
        """Keep what is in demand fresh."""
        while True:
            await self._news.wait(_EVERY)
            since = time.monotonic() - _DEMAND
            demand = sorted(self._asked, key=self._asked.__getitem__, reverse=True)[:_MOST]
            demand = [wanted for wanted in demand if self._asked[wanted] > since]
            self._asked = {wanted: self._asked[wanted] for wanted in demand}
            if not demand:
                self._views.clear()
                continue
            began = time.monotonic()
            try:
                views = await run_in_threadpool(self._read_all, demand)
            except SQLAlchemyError as error:
                _log.warning("runs cannot be looked at", reason=str(error).splitlines()[0])
                continue
            self._views = {wanted: view for wanted, view in self._views.items() if view.at >= began}
            for wanted, view in views.items():
                self._keep(wanted, view)
            for wanted in demand:
                if wanted not in self._views:
                    # Who asks again for what is no longer there is told why.
                    self._asked.pop(wanted, None)

    async def _renewed(self, wanted: Wanted) -> View:
        view = await run_in_threadpool(self._read_one, wanted)
        self._keep(wanted, view)
        return view

    def _keep(self, wanted: Wanted, view: View) -> None:
        """Looks do not end in the order in which they began: the newer one stays."""
        known = self._views.get(wanted)
        if known is None or view.at > known.at:
            self._views[wanted] = view

    def _read_one(self, wanted: Wanted) -> View:
        at = time.monotonic()
        with self._database.read() as session:
            return self._read(session, wanted, at)

    def _read_all(self, demand: list[Wanted]) -> dict[Wanted, View]:
        views, at = {}, time.monotonic()
        with self._database.read() as session:
            for wanted in demand:
                with suppress(CidermillError):
                    views[wanted] = self._read(session, wanted, at)
        return views

    def _read(self, session: Session, wanted: Wanted, at: float) -> View:
        found = model_names.find(session, wanted.name, self._settings.default_model)
        runs = queries.serving(session, found.model.id, wanted.capability, found.host)
        used = queries.slots_used(session, [run.id for run in runs]) if runs else {}
        names = {run.host for run in runs if run.host is not None}
        hosts = {host.name: host for host in session.scalars(select(Host).where(Host.name.in_(names)))} if names else {}
        here = self._settings.host_name
        return View(found, tuple(_candidate(run, hosts.get(run.host or ""), used, here) for run in runs), at)


def _candidate(run: Run, host: Host | None, used: dict[str, int], here: str) -> Candidate:
    endpoint = Endpoint.model_validate(run.endpoint) if run.endpoint is not None else None
    blocked = run.blocked_by or {}
    return Candidate(
        id=run.id,
        generation=run.generation,
        state=run.state,
        host=run.host,
        model=run.model,
        slots=run.slots,
        busy=used.get(run.id, 0),
        endpoint=endpoint,
        context=queries.context_of(run),
        reach=_reach(run, endpoint, host, here) if endpoint is not None else None,
        why=blocked.get("sentence") if run.state == RunState.PENDING else None,
        seconds=blocked.get("seconds") if run.state == RunState.PENDING else None,
    )


def _reach(run: Run, endpoint: Endpoint, host: Host | None, here: str) -> Reach | None:
    """Directly on the front door's own machine, through the agent everywhere else.

    Engines are on loopback: an address elsewhere is none of theirs, and is never called.
    """
    if host_of(endpoint.url) not in LOOPBACK:
        return None
    if run.host == here:
        return Reach(endpoint.url)
    if host is None or host.engine_url is None:
        return None
    url = f"{host.engine_url}/v1/runs/{run.id}/{run.generation}"
    return Reach(url, engine_pass.secret(host.token_digest))
