"""Work beside the answers: begun with the front door, begun again when it fails, ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog

_log = structlog.get_logger(__name__)

#: Seconds until work that failed is begun again.
_PAUSE = 1.0

Work = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def beside(works: Mapping[str, Work]) -> AsyncIterator[None]:
    """All of it runs, by name, while the context is open. Work that returns is done."""
    tasks = [asyncio.create_task(_kept_up(name, work), name=name) for name, work in works.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept_up(name: str, work: Work) -> None:
    while True:
        try:
            await work()
            return
        except Exception:
            # A mistake in one of them must neither go unnoticed nor take the answers from everybody.
            _log.exception("work in the background failed", work=name)
        if (task := asyncio.current_task()) is not None and task.cancelling():
            return
        await asyncio.sleep(_PAUSE)
