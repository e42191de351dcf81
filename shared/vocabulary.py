"""The words every process agrees on: states, priorities, capabilities, formats."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    ASSIGNED = "assigned"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in FINAL_JOB_STATES


class AttemptState(StrEnum):
    ASSIGNED = "assigned"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: The lease ran out while it was running.
    LOST = "lost"
    #: Never claimed in time, or handed back by a worker that stops. Not a failure.
    ABANDONED = "abandoned"


class RunState(StrEnum):
    PENDING = "pending"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self in FINAL_RUN_STATES


FINAL_JOB_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
FINAL_RUN_STATES = frozenset({RunState.STOPPED, RunState.FAILED})


class Priority(StrEnum):
    """Classes, most urgent first."""

    INTERACTIVE = "interactive"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"
    BATCH = "batch"

    @property
    def rank(self) -> int:
        """0 is the most urgent."""
        return list(Priority).index(self)


class Guard(StrEnum):
    """What a host's memory guard says."""

    OPEN = "open"
    #: No new run is placed there, and idle ones go.
    CLOSED = "closed"
    #: The newest run of the lowest priority is stopped, its work goes on later.
    SHEDDING = "shedding"


class Capability(StrEnum):
    """What a runtime can do with a model, or, for `store`, without one."""

    GENERATE = "generate"
    EMBED = "embed"
    TRANSCRIBE = "transcribe"
    #: Of models alone: they may be shown pictures. What is asked of a runtime then is to `generate`.
    VISION = "vision"
    STORE = "store"


class Source(StrEnum):
    """Where the bytes of a model come from."""

    #: The Hugging Face hub, and its Xet store.
    HUB = "hub"
    #: Another host of the fleet.
    PEER = "peer"
    #: Any other web server.
    WEB = "web"


class Format(StrEnum):
    """How a model's weights are packed on disk; a runtime says which it loads."""

    GGUF = "gguf"
    #: safetensors with a config.json, plain or quantised by MLX.
    SAFETENSORS = "safetensors"
    CTRANSLATE2 = "ctranslate2"
    #: No weights: the scripted model of the `echo` runtime.
    ECHO = "echo"


class Provider(StrEnum):
    HF = "hf"
    LOCAL = "local"
    URL = "url"
