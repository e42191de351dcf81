"""Models before they are here: found on the hub, weighed against each host, recommended."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from api.deps import Door, FrontDoor, Reader
from api.schemas.store import DiskOut, EvictOut, FitOut, HostFitOut, HubPage, RecommendedOut, RecommendedPage, Size
from shared import catalog
from shared.errors import NotFound
from shared.fit import Fleet
from shared.grants import check_model
from shared.hub import DEFAULT_ENDPOINT, Hub
from shared.hub_places import place
from shared.keys import Caller, Rank
from shared.references import ModelRef
from shared.runtimes import MOST_CONTEXT, InstalledModel, RunSpec
from shared.store import hub_search
from shared.store.disk_room import DiskRoom
from shared.store.disks import Wanted, of_model
from shared.store.outlook import Fits, Outlook, Room, outlook
from shared.store.prospect import prospect
from shared.store.recommended import ANY_HOST, Recommended, Worth, recommended
from shared.store.rooms import outlooks
from shared.vocabulary import Format

router = APIRouter(prefix="/v1/models", tags=["models"])

#: Seconds that the hub is given to answer while somebody waits.
_TIMEOUT = 10.0
#: No host can take it as things are.
_NOWHERE = frozenset({None, Fits.NO_DISK, Fits.NEVER})

Words = Annotated[str, Query(min_length=1, max_length=200, description="Words of its name.")]
Many = Annotated[int, Query(ge=1, le=100, description="At most so many.")]


@router.get("/search")
def search(door: Door, caller: Reader, q: Words, limit: Many = 20, format: Format | None = None) -> HubPage:  # noqa: A002
    """Repositories of the hub, the most downloaded first."""
    with place():
        return HubPage(data=hub_search.search(_endpoint(), os.environ.get("HF_TOKEN"), q, limit=limit, kind=format))


@router.get("/fit")
def fit(
    door: Door,
    caller: Reader,
    model: Annotated[str, Query(description="Name of an installed model, or what to install.", max_length=2048)],
    context: Annotated[int | None, Query(ge=16, le=MOST_CONTEXT, description="Tokens per slot.")] = None,
    slots: Annotated[int | None, Query(ge=1, le=1024)] = None,
    host: str | None = None,
) -> FitOut:
    """Whether and how large a model would run on each host; nothing but its metadata is fetched."""
    weighed, wanted = _weighed(door, caller, model)
    with door.read() as session:
        Fleet(session).check_named(host, None)
        found = outlooks(session, weighed, RunSpec(context=context, slots=slots), wanted)
        there = {install.host for install in catalog.installs(session, [weighed.id]).get(weighed.id, [])}
    shown = [_host_fit(one, one.host in there) for one in found if host in (None, one.host)]
    return FitOut(
        model=weighed.name,
        format=weighed.format,
        size=weighed.size,
        capabilities=list(weighed.capabilities),
        hosts=shown,
    )


@router.get("/recommended")
def recommend(
    door: Door,
    caller: Reader,
    memory: Annotated[
        Size | None, Query(description="Memory for models, such as 8GiB; unset: what the hosts have.")
    ] = None,
) -> RecommendedPage:
    """Small models of free licences, the largest that fit first."""
    with door.read() as session:
        if memory is None:
            found = [(one, _best(session, one)) for one in recommended()]
        else:
            found = [(one, _in_memory(one, memory)) for one in recommended()]
    shown = [_recommended(one, best) for one, best in found]
    return RecommendedPage(data=sorted(shown, key=lambda one: (one.fits in _NOWHERE, -one.size)))


def _weighed(door: FrontDoor, caller: Caller, name: str) -> tuple[InstalledModel, Wanted]:
    """The model, and what a host that lacks it would fetch.

    Raises NotFound with the nearest names of the catalog, and Forbidden for a model that the key may not use.
    """
    try:
        with door.read() as session:
            row = catalog.find(session, name)
            check_model(caller, row.name, name)
            return catalog.installed(row, None), of_model(row)
    except NotFound:
        if "/" not in name:
            raise
    hub = Hub(_endpoint(), os.environ.get("HF_TOKEN"), _TIMEOUT)
    with place():
        # Nobody else may use the front door to find out what answers on its machine.
        found = prospect(ModelRef.parse(name), hub, loopback=caller.rank is Rank.admin)
    return found.model, found.wanted


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT


def _host_fit(one: Outlook, installed: bool) -> HostFitOut:
    return HostFitOut(
        host=one.host,
        runtime=one.runtime,
        fits=one.fits,
        sentence=one.reason,
        needs=one.size.need.total,
        parts={cause: size for cause, size in asdict(one.size.need).items() if size},
        free=one.room.free,
        budget=one.room.budget,
        context=one.size.context,
        slots=one.size.slots,
        largest_context_now=one.largest_now,
        largest_context=one.largest,
        evicts=[EvictOut(run_id=run.id, model=run.model, memory_held=run.held) for run in one.evicts],
        installed=installed,
        disk=_disk(one.room.disk) if one.room.disk is not None else None,
    )


def _disk(room: DiskRoom) -> DiskOut:
    return DiskOut(
        need=room.need,
        free=room.free,
        reserve=room.reserve,
        promised=room.promised,
        fits=room.fits,
        deletable=room.deletable,
        sentence=room.sentence,
    )


def _best(session: Session, one: Recommended) -> Outlook | None:
    return next(iter(outlooks(session, one.prospect(), RunSpec(), one.wanted())), None)


def _in_memory(one: Recommended, budget: int) -> Outlook:
    room = Room(host="such a host", budget=budget, capacity=budget, held=0)
    return outlook(one.prospect(), ANY_HOST, RunSpec(), room)


def _recommended(one: Recommended, best: Outlook | None) -> RecommendedOut:
    return RecommendedOut(
        **one.model_dump(include=set(Worth.model_fields)),
        fits=best.fits if best else None,
        host=best.host if best else None,
        needs=best.size.need.total if best else None,
        sentence=best.reason if best else "no living host has a runtime that loads GGUF files",
    )
