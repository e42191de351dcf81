"""The front door as a process."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import stat
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import BaseRoute

from api.app import create_app
from api.crowd import BoundedListener, bounded
from api.vanished import notice_vanished
from shared import keys, pauses
from shared.db import Database
from shared.errors import ConfigError, Unavailable
from shared.logs import configure_logs
from shared.settings import LOOPBACK, Settings

_log = structlog.get_logger(__name__)

_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
#: Seconds that requests under way have to end when the process is told to stop.
_GRACE = 10
#: Seconds before its end in which those that are still asked are told that they will not be answered.
_LAST_WORDS = 1


class _Server(uvicorn.Server):
    """Ends followed streams first, for they never end by themselves; returns when a signal has ended it."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._routes: list[BaseRoute] = app.routes
        self._state = app.state

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # FastAPI would put them together at the first request, and make it wait for that.
        deque(iter_route_contexts(self._routes), maxlen=0)
        await super().startup(sockets)
        pauses.shorten()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.door.feed.close()
        grace = self.config.timeout_graceful_shutdown or 0
        last_words = asyncio.get_running_loop().call_later(grace - _LAST_WORDS, self._state.proxy.stop)
        try:
            await super().shutdown(sockets)
        finally:
            last_words.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first signal ends it gracefully, the second at once; unlike uvicorn's own, neither is raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def run(settings: Settings) -> int:
    """Serve until a signal comes; a second one ends it at once.

    Raises ConfigError when the port is taken, or when it would be open to others without any key.
    """
    configure_logs(settings, "api")
    database = Database(settings.database)
    try:
        _check_keys(settings, database)
        protocol = bounded(settings.connections)
        listener = _listen(settings, protocol.most + protocol.told)
        app = create_app(settings, database)
        config = uvicorn.Config(
            app,
            http=protocol,
            loop="api.handshake:HandshakeLoop",
            log_config=None,
            access_log=False,
            server_header=False,
            # It would take the word of whoever is on this machine; the app asks `trusted_proxies`.
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=75,
            lifespan="on",
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        _load_certificate(config)
        scheme = "https" if config.is_ssl else "http"
        host, port = listener.getsockname()[:2]
        _log.info("the front door is open", url=f"{scheme}://{host}:{port}", database=database.engine.dialect.name)
        _Server(config, app).run(sockets=[listener])
    finally:
        database.close()
    return 0


def _load_certificate(config: uvicorn.Config) -> None:
    """Raises ConfigError when it cannot be read."""
    key = config.ssl_keyfile or config.ssl_certfile
    try:
        if key is not None and Path(key).stat().st_mode & _OTHERS_READ:
            _log.warning("other users of this machine can read the front door's private key", file=str(key))
        config.load()
    except OSError as error:
        raise ConfigError(
            "The certificate cannot be used",
            str(error),
            "check CIDERMILL_TLS_CERT and CIDERMILL_TLS_KEY: two PEM files",
        ) from error


def _listen(settings: Settings, room: int) -> socket.socket:
    """A bound socket with room for so many connections. Raises ConfigError that says who is in the way."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = BoundedListener(family, room)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    notice_vanished(listener)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"Port {settings.port} on {settings.host} is in use",
                "another process listens there, perhaps another Cidermill",
                "stop it, or choose another port: CIDERMILL_PORT or --port",
            ) from error
        raise ConfigError(
            f"The front door cannot listen on {settings.host}:{settings.port}",
            error.strerror or str(error),
            "choose an address of this machine: CIDERMILL_HOST",
        ) from error
    return listener


def _check_keys(settings: Settings, database: Database) -> None:
    """Others may only come in when somebody has a key to come in with. Raises ConfigError, Unavailable."""
    if settings.host in LOOPBACK:
        return
    if not settings.keys_required:
        raise ConfigError(
            f"The front door would be open to everybody on {settings.host}",
            "keys are switched off, and that is only allowed on loopback",
            "remove CIDERMILL_REQUIRE_KEYS=false, or bind to 127.0.0.1",
        )
    try:
        with database.read() as session:
            active = keys.active(session)
    except SQLAlchemyError as error:
        raise Unavailable(
            "The database does not answer", str(error).splitlines()[0], "start it, or run: cidermill db upgrade"
        ) from error
    if not active:
        raise ConfigError(
            f"Nobody could use the front door on {settings.host}",
            "it asks every caller for a key when it is not on loopback, and there is no key yet",
            "make one first: cidermill keys create NAME --role admin --local",
        )
