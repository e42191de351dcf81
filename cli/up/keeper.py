"""The embedded Valkey, kept alive: it is no child of ours to mind like the others, for it may be adopted."""

from __future__ import annotations

import threading
from pathlib import Path

from cli.embedded.valkey import EmbeddedValkey
from cli.up.child import Sink
from shared.errors import CidermillError

_LOOK_SECONDS = 0.5
_LONGEST_WAIT = 10.0


class ValkeyKeeper:
    """Starts it, starts it again on the same port when it dies, and stops it last."""

    def __init__(self, folder: Path, sink: Sink) -> None:
        self._valkey = EmbeddedValkey(folder)
        self._sink = sink
        self._stopping = threading.Event()
        self._minder = threading.Thread(target=self._mind, name="mind-valkey", daemon=True)

    @property
    def pid(self) -> int | None:
        return self._valkey.pid

    def start(self) -> str:
        """Its `redis://` URL, which stays the same. Raises ConfigError or Unavailable when it cannot start."""
        url = self._valkey.start()
        self._minder.start()
        return url

    def stop(self) -> None:
        self._stopping.set()
        if self._minder.is_alive():
            self._minder.join()
        self._valkey.stop()

    def kill(self) -> None:
        """End it at once."""
        self._stopping.set()
        self._valkey.stop(timeout=0)

    def _mind(self) -> None:
        wait = _LOOK_SECONDS
        while not self._stopping.wait(wait):
            if self._valkey.alive():
                continue
            self._sink("valkey", "ended by itself; it starts again")
            try:
                self._valkey.start()
                wait = _LOOK_SECONDS
            except CidermillError as error:
                self._sink("valkey", str(error))
                wait = min(wait * 2, _LONGEST_WAIT)
