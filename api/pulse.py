"""What is looked at in the background, so that no request waits for it: Redis, and what the catalog starts with."""

from __future__ import annotations

import asyncio

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from api.schemas.health import PartOut
from shared import catalog
from shared.broker.connection import address, connect
from shared.db import Database

_log = structlog.get_logger(__name__)

_EVERY = 5.0
_TIMEOUT = 1.0


class Pulse:
    """Asks Redis every five seconds, and enters the built-in models as soon as the database takes them."""

    def __init__(self, database: Database, redis_url: str | None) -> None:
        self._database = database
        self._client = connect(redis_url, _TIMEOUT) if redis_url is not None else None
        self._complete = False
        self.redis = PartOut(ok=False, says="not asked yet")

    async def run(self) -> None:
        while True:
            await run_in_threadpool(self.beat)
            await asyncio.sleep(_EVERY)

    def beat(self) -> None:
        if not self._complete:
            self._complete = self._enter_builtin()
        self.redis = self._ask_redis()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _enter_builtin(self) -> bool:
        try:
            with self._database.write() as session:
                catalog.add_builtin(session)
        except SQLAlchemyError as error:
            _log.warning("the database does not answer yet", reason=str(error).splitlines()[0])
            return False
        return True

    def _ask_redis(self) -> PartOut:
        if self._client is None:
            return PartOut(ok=False, says="no address is configured; jobs start with the scheduler's next tick")
        try:
            self._client.ping()
        except redis.RedisError as error:
            return PartOut(ok=False, says=f"{address(self._client)} does not answer: {error}")
        return PartOut(ok=True, says=f"answers at {address(self._client)}")
