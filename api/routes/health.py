"""How it is, for people and for machines that restart or scrape it."""

from __future__ import annotations

import time
from importlib.metadata import version

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.answers import as_json
from api.deps import Door, FrontDoor, Reader
from api.schemas.health import HealthOut, PartOut
from shared.db import clock_time
from shared.leader import NAME
from shared.tables import Host, Leader

router = APIRouter(tags=["health"])

VERSION = version("cidermill")


@router.head("/health", include_in_schema=False)
@router.get("/health", response_model=HealthOut)
@router.get("/v1/health", response_model=HealthOut)
def health(door: Door) -> Response:
    """Asks for no key. 503 when the database does not answer, for nothing works then."""
    shown = _look(door)
    return as_json(shown, 503 if shown.status == "down" else 200)


def _look(door: FrontDoor) -> HealthOut:
    started = time.perf_counter()
    redis = door.pulse.redis
    try:
        with door.read() as session:
            scheduler = _scheduler(session)
            up, hosts = _hosts(session)
    except SQLAlchemyError as error:
        said = PartOut(ok=False, says=str(error).splitlines()[0])
        unknown = PartOut(ok=False, says="unknown while the database does not answer")
        return HealthOut(
            status="down", version=VERSION, database=said, scheduler=unknown, redis=redis, hosts_up=0, hosts=0
        )
    took = (time.perf_counter() - started) * 1000
    database = PartOut(ok=True, says=f"{door.database.engine.dialect.name} answers in {took:.1f} ms")
    well = scheduler.ok and redis.ok and up > 0
    return HealthOut(
        status="ok" if well else "degraded",
        version=VERSION,
        database=database,
        scheduler=scheduler,
        redis=redis,
        hosts_up=up,
        hosts=hosts,
    )


def _scheduler(session: Session) -> PartOut:
    leader = session.get(Leader, NAME)
    if leader is None:
        return PartOut(ok=False, says="none has ever led; start one: cidermill scheduler")
    if leader.until <= clock_time(session):
        return PartOut(ok=False, says=f"{leader.holder} led last and is silent; start one: cidermill scheduler")
    return PartOut(ok=True, says=f"{leader.holder} leads in epoch {leader.epoch}")


def _hosts(session: Session) -> tuple[int, int]:
    """Hosts that are up, and all."""
    moment = clock_time(session)
    seen = session.scalars(select(Host.seen_until)).all()
    return sum(1 for until in seen if until is not None and until > moment), len(seen)


@router.get("/metrics", response_class=Response)
def metrics(door: Door, caller: Reader) -> Response:
    """Numbers for Prometheus."""
    return Response(door.metrics.text(), media_type=CONTENT_TYPE_LATEST)
