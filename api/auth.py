"""Who asks, and what they may do.

Keys and host tokens are looked up by digest and remembered for a few seconds, so that a request costs no query; making,
joining and revoking forget what was remembered.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from api.errors import unknown_key
from shared import hosts, keys
from shared.db import Database
from shared.errors import Forbidden, Unauthorized
from shared.keys import ANYONE, Caller, Rank
from shared.token_digest import digest

Who = TypeVar("Who")

_REMEMBERED_SECONDS = 5.0
_REMEMBERED_MOST = 1024
_TOUCH_SECONDS = 60.0


class Memory(Generic[Who]):
    """Answers of `look_up`, kept for five seconds under the digest of what was asked."""

    def __init__(self, look_up: Callable[[str], Who | None]) -> None:
        self._look_up = look_up
        self._known: OrderedDict[str, tuple[float, Who | None]] = OrderedDict()
        self._forgotten = 0
        self._lock = Lock()

    async def recall(self, secret: str) -> Who | None:
        name, moment = digest(secret), time.monotonic()
        with self._lock:
            until, who = self._known.get(name, (0.0, None))
            forgotten = self._forgotten
        if until > moment:
            return who
        who = await run_in_threadpool(self._look_up, secret)
        with self._lock:
            # What was looked up before a key was revoked may be wrong after it.
            if self._forgotten == forgotten:
                self._known[name] = (moment + _REMEMBERED_SECONDS, who)
            while len(self._known) > _REMEMBERED_MOST:
                self._known.popitem(last=False)
        return who

    def forget(self) -> None:
        with self._lock:
            self._known.clear()
            self._forgotten += 1


class Auth:
    """Knows callers by their API key and hosts by their token."""

    def __init__(self, database: Database, *, required: bool) -> None:
        self._database = database
        self._touched: dict[str, float] = {}
        self.required = required
        self.callers: Memory[Caller] = Memory(self._caller)
        self.hosts: Memory[str] = Memory(self._host)

    async def caller(self, connection: HTTPConnection, least: Rank) -> Caller:
        """Raises Unauthorized, or Forbidden when the key's role is below `least`."""
        secret = credentials(connection)
        who = await self.callers.recall(secret) if secret is not None else None
        if who is None:
            if self.required:
                raise unknown_key(given=secret is not None)
            # Clients of other systems always send some key; on an open loopback it means nothing.
            who = ANYONE
        if who.rank < least:
            raise Forbidden(
                f"The key {who.name!r} may not do this",
                f"its role is {who.rank.name}, and this needs {least.name}",
                f"use a key with the role {least.name}: cidermill keys create NAME --role {least.name}",
            )
        return who

    async def still_reads(self, connection: HTTPConnection) -> bool:
        """Whether who opened a long stream may go on with it: its key may be revoked meanwhile, or its time be over."""
        try:
            await self.caller(connection, Rank.read)
        except Unauthorized:
            return False
        return True

    async def host(self, connection: HTTPConnection) -> str:
        """The host whose token this is. Raises Unauthorized."""
        secret = credentials(connection)
        name = await self.hosts.recall(secret) if secret is not None else None
        if name is None:
            raise Unauthorized(
                "The host's token is not known" if secret else "A host's token is required",
                "the host joined again since, or the token was mistyped" if secret else "workers speak for a host",
                "make a new one: cidermill hosts join NAME",
            )
        return name

    def _caller(self, secret: str) -> Caller | None:
        with self._database.read() as session:
            who = keys.caller(session, secret)
        if who is not None and self._touched.get(who.id, -_TOUCH_SECONDS) < time.monotonic() - _TOUCH_SECONDS:
            self._touched[who.id] = time.monotonic()
            with self._database.write() as session:
                keys.touch(session, who.id)
        return who

    def _host(self, secret: str) -> str | None:
        with self._database.read() as session:
            return hosts.authenticate(session, secret)


def credentials(connection: HTTPConnection) -> str | None:
    """The secret in `Authorization: Bearer …` or `x-api-key`."""
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    return connection.headers.get("x-api-key") or None
