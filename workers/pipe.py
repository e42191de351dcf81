"""What an agent and its workers say to each other: JSON lines over the worker's standard input and output.

The pipe is also the tie between them: a worker whose input closes has lost its agent and ends, and an agent that hears
nothing on a worker's output for too long takes the worker for hung.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, TypeAdapter, field_serializer

from shared.protocol import AttemptRef, AttemptStatus, LogLine, RunRef, RunStatus


class Start(BaseModel):
    """The first line to a worker: who it is and whom it talks to."""

    type: Literal["start"] = "start"
    worker: str
    runtime: str
    host: str
    front_door: str
    token: SecretStr
    #: A file of certificates that vouch for the front door's.
    trusted: Path | None = None
    redis_url: SecretStr
    namespace: str
    drain_seconds: float
    spool: str
    scratch: str
    models: str
    #: Bytes per second that downloads of this host may take together.
    download_rate: int | None = None
    #: Linux's folder of energy counters.
    powercap: str = "/sys/class/powercap"

    @field_serializer("token", "redis_url")
    def _reveal(self, value: SecretStr) -> str:
        """The pipe is private to the two processes."""
        return value.get_secret_value()


class Synced(BaseModel):
    """What the front door answered to the agent's last report, as far as it is this worker's."""

    type: Literal["synced"] = "synced"
    cancel: list[AttemptRef] = []
    preempt: list[AttemptRef] = []
    drop: list[AttemptRef] = []
    drop_runs: list[RunRef] = []
    wishes: list[RunRef] = []
    #: Slots by run that are for people who wait for an answer.
    attended: dict[str, int] = {}
    #: What the fleet leaves to this host's downloads, in bytes per second.
    download_rate: int | None = None
    #: Watts of this host when nothing works on it, and slots in use on it by others than this worker.
    idle_watts: float | None = None
    other_slots: int = 0


class Stop(BaseModel):
    """Drain, hand back, end."""

    type: Literal["stop"] = "stop"


class WiringWish(RunRef):
    """A run that is about to start asks how much it may wire."""

    #: Bytes of its weights.
    weights: int


class Wired(RunRef):
    """How many bytes a run may wire."""

    type: Literal["wired"] = "wired"
    wired: int


class RunProcessRecord(RunRef):
    """A process that holds a model: what the agent needs to end it and to be sure that it ended."""

    pid: int
    birth: str
    #: It has loaded its model.
    ready: bool = False
    #: Where its engine answers.
    url: str | None = None


class Status(BaseModel):
    """From the worker, every half second and whenever something changed."""

    type: Literal["status"] = "status"
    attempts: list[AttemptStatus] = []
    runs: list[RunStatus] = []
    processes: list[RunProcessRecord] = []
    wiring: list[WiringWish] = []
    logs: list[LogLine] = []
    #: Slots of runs that its attempts have in use.
    slots: int = 0


ToWorker = Annotated[Start | Synced | Wired | Stop, Field(discriminator="type")]
_TO_WORKER: TypeAdapter[Start | Synced | Wired | Stop] = TypeAdapter(ToWorker)


class Line:
    """The writing end; whole lines, from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: BaseModel) -> None:
        """Raises OSError (a broken pipe) when the other side is gone."""
        with self._lock:
            self._stream.write(message.model_dump_json().encode() + b"\n")
            self._stream.flush()


def orders(stream: IO[bytes] | None = None) -> Iterator[Start | Synced | Wired | Stop]:
    """What the agent says, until it is gone."""
    for line in stream or sys.stdin.buffer:
        yield _TO_WORKER.validate_json(line)


def statuses(stream: IO[bytes]) -> Iterator[Status]:
    """What a worker says, until it is gone."""
    for line in stream:
        yield Status.model_validate_json(line)
