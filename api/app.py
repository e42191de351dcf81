"""The front door as one app: its parts put together, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api import errors, openapi
from api.auth import Auth
from api.background import Work, beside
from api.batches.keeper import Keeper
from api.deps import Alarm, FrontDoor, NoAlarm
from api.events import Feed
from api.gate import Gate
from api.gateway import dialects
from api.gateway.anthropic.address import Addressed
from api.gateway.ollama.follow_up import FollowUps
from api.gateway.proxy import Proxy
from api.gateway.seats import Seats
from api.gateway.token_count import TokenCounter
from api.meter import Meter
from api.metrics import Counted, Metrics
from api.mistakes import Answered
from api.pulse import Pulse
from api.request_id import Named
from api.routes import (
    audit,
    calls,
    events,
    files,
    health,
    hosts,
    jobs,
    keys,
    model_aliases,
    models,
    models_hub,
    models_store,
    quarantines,
    queues,
    reference,
    runs,
    schedules,
    usage,
    worker,
    worker_models,
)
from api.schemas.base import ErrorOut
from shared.broker import Wake
from shared.db import Database
from shared.files import FileStore, any_known
from shared.settings import Settings

#: Threads for handlers: not more than the database has connections.
THREADS = 12


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The app on an open database; closing the database is the caller's."""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url is not None else None
    alarm: Alarm = Wake(redis_url, settings.namespace) if redis_url is not None else NoAlarm()
    door = FrontDoor(
        settings=settings,
        database=database,
        store=FileStore(settings.files, partial(any_known, database)),
        alarm=alarm,
        auth=Auth(database, required=settings.keys_required),
        feed=Feed(database),
        metrics=Metrics(database),
        pulse=Pulse(database, redis_url),
        meter=Meter(database, settings),
    )
    app = FastAPI(
        title="Cidermill",
        version=health.VERSION,
        description="One queue for every AI job on your Macs.",
        lifespan=_lifespan,
        redirect_slashes=False,
        # Theirs load scripts from elsewhere, or make everybody wait; ours are in `routes/reference.py`.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses={"default": {"model": ErrorOut}},
    )
    app.state.door = door
    app.state.seats = Seats(door)
    app.state.batches = Keeper(door)
    app.state.follow_ups = FollowUps(door)
    fixed, others = dialects.routers()
    for router in fixed:
        app.include_router(router)
    # Routes are tried in this order: the busiest first.
    busy = (worker, worker_models, jobs, events, model_aliases, models_hub, models_store, models, runs, hosts)
    for module in (*busy, queues, schedules, quarantines, files, keys, usage, calls, audit, health, reference):
        app.include_router(module.router)
    for router in others:
        app.include_router(router)
    errors.install(app)
    openapi.describe(app)
    app.add_middleware(Gate, settings=settings, auth=door.auth)
    app.add_middleware(Answered)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            # Else a page reads no `x-request-id`, `Retry-After` or `x-ratelimit-…`.
            expose_headers=["*"],
        )
    app.add_middleware(Addressed)
    app.add_middleware(Counted, metrics=door.metrics)
    app.add_middleware(Named)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run what works in the background while the app serves."""
    door: FrontDoor = app.state.door
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    app.state.proxy = Proxy(app.state.seats)
    app.state.token_counter = TokenCounter(door, app.state.seats)
    try:
        async with beside(_works(app)):
            yield
            door.feed.close()
    finally:
        await app.state.proxy.close()
        app.state.token_counter.close()
        door.meter.close()
        door.pulse.close()
        door.alarm.close()


def _works(app: FastAPI) -> dict[str, Work]:
    door: FrontDoor = app.state.door
    return {
        "events": door.feed.run,
        "pulse": door.pulse.run,
        "meter": door.meter.run,
        "seats": app.state.seats.run,
        "batches": app.state.batches.run,
        "follow-ups": app.state.follow_ups.run,
    }
