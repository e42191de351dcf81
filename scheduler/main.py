"""The scheduler process: decides who runs what where, and ends gracefully."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import structlog

from scheduler.loop import Scheduler
from shared.broker import Dispatcher, Wake
from shared.db import Database
from shared.errors import ConfigError
from shared.logs import configure_logs
from shared.settings import Settings

_log = structlog.get_logger(__name__)

#: Seconds between two looks of the main thread at whether to stop; the scheduler has a thread of its own.
_GLANCE = 0.2


def run(settings: Settings) -> int:
    """Schedule until SIGTERM or SIGINT and return the exit status; a second signal ends the process at once.

    Raises ConfigError when no Redis is configured.
    """
    if settings.redis_url is None:
        raise ConfigError(
            "The scheduler does not know where Redis is",
            "redis_url is not set and this is not `cidermill up`, which brings its own",
            "set CIDERMILL_REDIS_URL, for example redis://127.0.0.1:6379",
        )
    configure_logs(settings, "scheduler")
    redis_url = settings.redis_url.get_secret_value()
    database = Database(settings.database)
    dispatcher = Dispatcher(redis_url, settings.namespace)
    scheduler = Scheduler(settings, database, dispatcher, Wake(redis_url, settings.namespace))
    stopped = _until_stopped(scheduler)
    dispatcher.close()
    database.close()
    _log.info("scheduler stopped")
    return 0 if stopped else 1


def _until_stopped(scheduler: Scheduler) -> bool:
    """Run on a thread of its own; `False` when it ended without being asked."""
    asked = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        if asked.is_set():
            os._exit(128 + number)
        asked.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    thread = threading.Thread(target=scheduler.run, name="scheduler")
    thread.start()
    while thread.is_alive() and not asked.is_set():
        thread.join(_GLANCE)
    scheduler.stop()
    while thread.is_alive():
        thread.join(_GLANCE)
    return asked.is_set()
