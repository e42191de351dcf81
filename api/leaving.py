"""Clients that go away before they have their answer: whatever was done for them ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, in this very task, unless the client goes away first. Raises ClientGone.

    The request was read; what else `receive` may bring but its end is of no interest.
    """
    watched = _Watched()
    watch = asyncio.create_task(_watch(receive, watched))
    try:
        done = await work
    except asyncio.CancelledError:
        if watched.over():
            raise ClientGone from None
        raise
    finally:
        watch.cancel()
    if watched.over():
        raise ClientGone
    return done


async def _watch(receive: Receive, watched: _Watched) -> None:
    with suppress(ClientDisconnect):  # which says it in another way
        while (await receive())["type"] != "http.disconnect":
            pass  # It is still there.
    watched.end()


class _Watched:
    """The task that works for the client; cancelled when that leaves, as `asyncio.timeout` does when time is over."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        self._ended = False

    def end(self) -> None:
        self._ended = True
        self._task.cancel()

    def over(self) -> bool:
        """The client has left, and nobody else wants this task to end."""
        return self._ended and self._task.uncancel() <= self._before
