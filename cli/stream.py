"""Events of the front door, read for as long as it takes: a broken connection goes on where it stopped."""

from __future__ import annotations

import json
import queue
import threading
import time

from cli.client import Client
from cli.output import Json
from shared.errors import CidermillError, Unavailable
from shared.sse import read_events

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 3.0


class Stream:
    """A thread that reads one event stream into a queue, from the beginning, each event once."""

    def __init__(self, client: Client, path: str) -> None:
        # A connection of its own: the caller may close theirs while we still read.
        self._client = Client(client.settings)
        self._path = path
        self._seen = 0
        #: Events in order.
        self.events: queue.SimpleQueue[Json] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="events", daemon=True).start()

    def next(self, timeout: float) -> Json | None:
        """The next event, or `None` when none came within `timeout` seconds."""
        try:
            return self.events.get(timeout=timeout)
        except queue.Empty:
            return None

    def _read(self) -> None:
        """Until the stream is refused; the job itself is asked too, so a lost stream loses only what is shown."""
        wait = _FIRST_WAIT
        while True:
            try:
                before = self._seen
                self._connect()
                wait = _FIRST_WAIT if self._seen > before else min(wait * 2, _LONGEST_WAIT)
            except Unavailable:
                wait = min(wait * 2, _LONGEST_WAIT)
            except CidermillError:
                return
            time.sleep(wait)

    def _connect(self) -> None:
        headers = {"Last-Event-ID": str(self._seen)} if self._seen else {}
        with self._client.open("GET", self._path, headers=headers, timeout=60.0) as answer:
            for event in read_events(answer.iter_raw()):
                body: Json = {"type": event.name} | json.loads(event.data)
                self._seen = max(self._seen, body.get("seq", 0))
                self.events.put(body)
