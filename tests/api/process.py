"""A front door in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from types import TracebackType

import httpx2

from api import main
from shared.settings import Settings

_PROGRAM = """
import sys
from api import main
from shared.settings import load_settings
main._GRACE = int(sys.argv[1])
raise SystemExit(main.run(load_settings()))
"""


class Process:
    """Started with the settings it is given, and told to stop with so much grace; killed at the end of its block."""

    def __init__(self, settings: Settings, grace: int = main._GRACE) -> None:
        self._url = settings.front_door
        told = {"home", "host", "port", "require_keys", "tls_cert", "tls_key", "connections"}
        given = settings.model_dump(mode="json", include=told, exclude_none=True)
        named = {f"CIDERMILL_{name.upper()}": str(value) for name, value in given.items()}
        self._child = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(grace)], env=os.environ | named)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._child.kill()
        self._child.wait()

    def answers(self, path: str) -> bool:
        """Does it answer there with success?"""
        assert self._child.poll() is None, "the front door has ended"
        try:
            return httpx2.get(self._url + path, timeout=5, trust_env=False, verify=False).is_success
        except httpx2.TransportError:
            return False

    def send(self, number: int) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float) -> int:
        return self._child.wait(seconds)
