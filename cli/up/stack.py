"""The whole of Cidermill on one machine: what starts after what, and how it ends."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from cli.up import record
from cli.up.child import Child, Part, Sink
from cli.up.host_token import host_token
from cli.up.keeper import ValkeyKeeper
from cli.up.lock import Lock
from cli.up.orphans import end_orphans
from cli.up.port import settle_port
from cli.up.readiness import Address, await_api, await_host, await_leader
from shared.db import Database
from shared.schema import upgrade
from shared.settings import Settings

#: Seconds a part has to stop; the agent also waits for its workers' attempts.
_PATIENCE = 10.0


class Stack:
    """Valkey, the database, then api, scheduler and agent; ready when a host is up.

    The settings of this process reach the parts through the environment; only what is decided here is added.
    """

    def __init__(self, settings: Settings, sink: Sink) -> None:
        self._settings = settings
        self._sink = sink
        self._lock = Lock(settings.state_dir)
        self._valkey = ValkeyKeeper(settings.state_dir / "valkey", sink) if settings.redis_url is None else None
        self._children: list[Child] = []
        self._writing = threading.Lock()
        self.url = settings.front_door

    @property
    def pids(self) -> dict[str, int]:
        """The parts that run now, by name."""
        return {child.part.name: pid for child in self._children if (pid := child.pid) is not None}

    @contextlib.contextmanager
    def running(self) -> Iterator[Stack]:
        """Start everything, and stop everything at the end, also when starting fails half-way.

        A KeyboardInterrupt while it stops ends everything at once.
        """
        self._lock.take()
        try:
            self._start()
            yield self
        finally:
            try:
                self.stop()
            except KeyboardInterrupt:
                self.kill()
                raise

    def stop(self) -> None:
        """Stop all parts, the last one first: the agent still reports to the api, which still needs Redis."""
        for child in reversed(self._children):
            patience = _PATIENCE + (self._settings.drain_seconds if child.part.name == "agent" else 0)
            child.stop(patience)
        if self._valkey is not None:
            self._valkey.stop()
        record.forget(self._settings.state_dir)
        self._lock.drop()

    def kill(self) -> None:
        """End all parts at once. What they started ends with them, for it watches them as they watch us."""
        for child in self._children:
            child.kill()
        if self._valkey is not None:
            self._valkey.kill()

    def _start(self) -> None:
        settings = self._settings
        for name in end_orphans(record.read(settings.state_dir)):
            self._sink(name, "was left by an earlier start and is ended")
        port = settle_port(settings.host, settings.port)
        # A certificate is for a name, and only the settings know which.
        named = settings.url if settings.tls_cert is not None else None
        self.url = settings.model_copy(update={"port": port, "url": named}).front_door
        shared = {"CIDERMILL_HOST": settings.host, "CIDERMILL_PORT": str(port)} | self._redis()
        database = Database(settings.database)
        try:
            upgrade(database)
            token = host_token(database, settings)
        finally:
            database.close()
        # All at once: each waits by itself for what it needs, and most of a start is Python importing.
        api = self._child("api", shared)
        scheduler = self._child("scheduler", shared)
        agent = self._child("agent", {"CIDERMILL_URL": self.url, "CIDERMILL_HOST_TOKEN": token})
        door = Address(self.url, settings.trusted)
        await_api(door, api)
        await_leader(door, scheduler)
        await_host(door, agent)

    def _redis(self) -> dict[str, str]:
        """Where Redis is, when it is ours: in the environment, where no other user can read the password."""
        return {"CIDERMILL_REDIS_URL": self._valkey.start()} if self._valkey is not None else {}

    def _child(self, name: str, environment: dict[str, str]) -> Child:
        command = (sys.executable, "-P", "-m", "cli", name)
        child = Child(Part(name, command, environment), self._sink, self._write_record)
        self._children.append(child)
        child.start()
        return child

    def _write_record(self) -> None:
        parts = {name: found for name, pid in self.pids.items() if (found := record.Pid.find(pid)) is not None}
        with self._writing:
            me = record.Pid.of_this_process()
            record.write(self._settings.state_dir, record.UpRecord(url=self.url, supervisor=me, parts=parts))
