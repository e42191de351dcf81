"""A whole Cidermill of real processes for tests and load tests: started, killed and restarted piece by piece."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

from cli.embedded.valkey import EmbeddedValkey
from shared.db import Database
from shared.hosts import join
from shared.schema import upgrade
from tests.ports import own_port
from tests.processes import is_over
from tests.waiting import eventually


@dataclass
class Stack:
    """Processes by name: `api`, `scheduler`, and an agent per host under the host's name."""

    home: Path
    database_url: str
    runtimes: str = '["echo","store"]'
    environment: dict[str, str] = field(default_factory=dict)
    #: What only one piece has in its environment, by the piece's name.
    own_environment: dict[str, dict[str, str]] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=own_port)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.valkey = EmbeddedValkey(self.home / "valkey")
        self.database = Database(self.database_url)
        self.http = httpx2.Client(base_url=self.url, timeout=60.0, trust_env=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- pieces ---

    def begin(self, hosts: tuple[str, ...] = ("alpha",)) -> Stack:
        """Everything up, every host registered with live workers."""
        self.valkey.start()
        upgrade(self.database)
        for host in hosts:
            with self.database.write() as session:
                self.tokens[host] = join(session, host, {})
        self.start("api")
        self.start("scheduler")
        for host in hosts:
            self.start(host)
        self.await_hosts(hosts)
        return self

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a piece; waits for the front door to answer."""
        piece = "agent" if name in self.tokens else name
        log = (self.home / f"{name}.log").open("ab")
        with log:
            process = subprocess.Popen(
                command(piece),
                env=self.environment_of(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[name] = process
        if name == "api":
            eventually(self._answers, 60.0)
        return process

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is reaped."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str, timeout: float = 60.0) -> int:
        """SIGTERM, and wait; its exit status."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout)

    def end(self) -> None:
        """End everything and make sure that it is gone."""
        self.http.close()
        family = [child for p in self.processes.values() for child in _family(p.pid)]
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()
        for member in family:
            end(member)
        psutil.wait_procs(family, timeout=10)
        self.valkey.stop()
        self.database.close()

    def workers(self, host: str = "alpha") -> list[psutil.Process]:
        """The worker processes of a host's agent."""
        return psutil.Process(self.processes[host].pid).children()

    def worker(self, runtime: str, host: str = "alpha") -> int:
        """The pid of the worker of one runtime."""
        return next(w.pid for w in self.workers(host) if runtime_of(w) == runtime)

    def kill_worker(self, runtime: str, host: str = "alpha") -> None:
        """SIGKILL, and wait until it does nothing any more; its agent starts another."""
        worker = psutil.Process(self.worker(runtime, host))
        end(worker)
        eventually(lambda: is_over(worker))

    def await_hosts(self, hosts: tuple[str, ...]) -> None:
        def all_up() -> bool:
            self._check_alive(*hosts)
            listed = {h["name"]: h for h in self.get("/v1/hosts")["data"]}
            return all(
                listed[h]["state"] == "up" and listed[h]["runtimes"] and all(r["alive"] for r in listed[h]["runtimes"])
                for h in hosts
            )

        eventually(all_up, 60.0)

    # --- the front door ---

    def get(self, path: str) -> Any:
        response = self.http.get(path)
        response.raise_for_status()
        return response.json()

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        response = self.http.post(path, json=body, **options)
        if response.status_code >= 300:
            raise AssertionError(f"{path}: {response.status_code} {response.text}")
        return response.json()

    def submit(self, kind: str, /, priority: str = "normal", **params: Any) -> str:
        return str(self.post("/v1/jobs", {"kind": kind, "params": params, "priority": priority})["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/jobs/{job_id}"))

    def wait(self, job_id: str, timeout: float = 60.0) -> dict[str, Any]:
        """The job once it is over; asking all the time would take the cores that the job needs."""
        eventually(lambda: self.job(job_id)["state"] in ("succeeded", "failed", "cancelled"), timeout, rarest=0.25)
        return self.job(job_id)

    def _answers(self) -> bool:
        self._check_alive("api")
        try:
            return self.http.get("/health").status_code < 500
        except httpx2.TransportError:
            return False

    def _check_alive(self, *names: str) -> None:
        """Waiting for a process that has ended would say only that nothing happened."""
        for name in names:
            if (code := self.processes[name].poll()) is not None:
                raise AssertionError(f"{name} ended with {code}: {(self.home / f'{name}.log').read_text()[-2000:]}")

    def environment_of(self, name: str) -> dict[str, str]:
        return {
            **os.environ,
            "CIDERMILL_HOME": str(self.home),
            "CIDERMILL_PORT": str(self.port),
            "CIDERMILL_DATABASE_URL": self.database_url,
            "CIDERMILL_REDIS_URL": self.valkey.url,
            "CIDERMILL_RUNTIMES": self.runtimes,
            "CIDERMILL_LOG_FORMAT": "json",
            "CIDERMILL_MEMORY": "8GiB",
            # The models of the developer's own machine are no part of a test.
            "CIDERMILL_FIND_MODELS": "false",
            **({"CIDERMILL_HOST_NAME": name, "CIDERMILL_HOST_TOKEN": self.tokens[name]} if name in self.tokens else {}),
            **self.environment,
            **self.own_environment.get(name, {}),
        }


@contextmanager
def running(
    home: Path, database_url: str | None = None, hosts: tuple[str, ...] = ("alpha",), **options: Any
) -> Iterator[Stack]:
    """A stack for the length of a block."""
    stack = Stack(home, database_url or f"sqlite:///{home}/cidermill.db", **options)
    try:
        yield stack.begin(hosts)
    finally:
        stack.end()


def command(piece: str) -> list[str]:
    """The command line of `api`, `scheduler` or `agent`."""
    return [sys.executable, "-m", "cli", piece]


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def runtime_of(worker: psutil.Process) -> str | None:
    """What the worker runs; `None` of one that has ended."""
    try:
        return next(reversed(worker.cmdline()), None)
    except psutil.NoSuchProcess:
        return None


def end(process: psutil.Process) -> None:
    """SIGKILL; that it has ended by itself meanwhile is as good."""
    with suppress(psutil.NoSuchProcess):
        process.kill()
