"""A trace: a fleet, the models on its disks, and the jobs that arrive, as one JSON document."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.errors import InvalidParameters
from shared.units import Bytes, parse_bytes
from shared.vocabulary import Priority

#: A number of bytes, or a text such as `24GiB`.
Size = Annotated[Bytes, BeforeValidator(parse_bytes), Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TraceHost(_Part):
    """A host of the fleet."""

    name: str
    #: What the runs on it may hold together.
    budget: Size
    #: Bytes a second at which models are read from its disk.
    disk_rate: Size
    #: Its jobs take their seconds divided by this.
    speed: float = Field(default=1.0, gt=0)
    #: From and to, in seconds: it is dead in between, and all that runs on it is lost.
    down: tuple[tuple[float, float], ...] = ()

    @field_validator("down")
    @classmethod
    def _in_order(cls, spans: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        times = [moment for span in spans for moment in span]
        if times != sorted(set(times)) or any(moment < 0 for moment in times):
            raise ValueError("spans must be in order, apart, and after 0")
        return spans


class TraceModel(_Part):
    """A model that every host has on disk."""

    name: str
    #: Of its weights on disk, which is what a load reads.
    size: Size
    #: What a run of it holds, context and all.
    memory: Size
    #: Jobs that a run of it serves side by side.
    slots: int = Field(default=1, ge=1, le=1024)
    #: Seconds that an idle run stays loaded when nobody needs its memory; -1 for ever.
    keep_alive: float = 300.0


class TraceJob(_Part):
    """A job that arrives."""

    #: Seconds after the beginning.
    at: float = Field(ge=0)
    model: str
    #: How long it takes once it has a slot.
    seconds: float = Field(gt=0)
    priority: Priority = Priority.NORMAL
    #: Who asked: fairness is between keys.
    key: str = "default"
    #: Seconds of work after which what it did is kept, should it be interrupted; without it, it begins anew.
    checkpoint: float | None = Field(default=None, gt=0)


class Trace(_Part):
    """Everything that a simulation depends on; jobs are known as `j1`, `j2`, … in the order given."""

    name: str
    about: str = ""
    hosts: tuple[TraceHost, ...] = Field(min_length=1)
    models: tuple[TraceModel, ...] = Field(min_length=1)
    jobs: tuple[TraceJob, ...] = Field(min_length=1)
    #: Keys that count for more or less than 1.
    weights: dict[str, Annotated[float, Field(gt=0)]] = {}
    #: Seconds an engine takes to start, whatever it loads.
    start_seconds: float = Field(default=1.0, ge=0)
    #: Seconds from the word to stop until the memory is back.
    stop_seconds: float = Field(default=0.5, ge=0)
    #: Seconds until a dead host is noticed.
    silence_seconds: float = Field(default=10.0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Names are used once and known, and every job can run somewhere."""
        for names in ([host.name for host in self.hosts], [model.name for model in self.models]):
            doubled = [name for name, times in Counter(names).items() if times > 1]
            if doubled:
                raise ValueError(f"{', '.join(doubled)} is there twice")
        known = {model.name: model for model in self.models}
        largest = max(host.budget for host in self.hosts)
        for number, job in enumerate(self.jobs, 1):
            if job.model not in known:
                raise ValueError(f"job {number} asks for {job.model}, which is no model of the trace")
            if known[job.model].memory > largest:
                raise ValueError(f"{job.model} fits on no host")
        return self

    def load_seconds(self, model: TraceModel, host: TraceHost) -> float:
        """From the decision to load until the run is ready."""
        return self.start_seconds + model.size / host.disk_rate


def read_trace(path: Path) -> Trace:
    """The trace in a JSON file. Raises InvalidParameters when there is none, saying where it is wrong."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidParameters(
            f"The trace {path} cannot be read", str(error), "name a file of JSON, or a trace that ships"
        ) from error
    return trace_of(content, str(path))


def trace_of(content: Any, source: str) -> Trace:
    """The trace that JSON holds. Raises InvalidParameters, naming `source` and where it is wrong."""
    try:
        return Trace.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the trace"
        raise InvalidParameters(
            f"{source} is not a trace",
            f"{where}: {first['msg']}",
            "compare it with a shipped one: cidermill simulate steady --print",
        ) from error


def write_trace(trace: Trace) -> str:
    """As JSON with a line for each host, model and job, so that people can read it and git can compare it."""
    parts = []
    for name, value in trace.model_dump(mode="json", exclude_defaults=True).items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row) for row in value)
            parts.append(f' "{name}": [\n{rows}\n ]')
        else:
            parts.append(f' "{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"
