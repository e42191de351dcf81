"""Streams of events that go on where they were when the database was away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from api.errors import NO_DATABASE
from api.events import Feed, Place
from shared.tables import Event

#: Seconds until a database that does not answer is asked again.
_PAUSE = 1.0

Pages = AsyncGenerator[list[Event], None]


async def lasting(feed: Feed, after: int | None, pages: Callable[[Place], Pages]) -> Pages:
    """`pages` from its place on; an empty one, and then pages begun anew, each time that the database is away."""
    place = Place(after)
    while not feed.closed:
        try:
            async with aclosing(pages(place)) as some:
                async for page in some:
                    yield page
                    if page:
                        place.after = page[-1].seq
            return
        except NO_DATABASE:
            pass  # The feed says so in the log.
        yield []
        await asyncio.sleep(_PAUSE)
