"""`echo`: a scripted model that ships, for tests, demos and load; it needs nothing installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from shared.errors import Problem, UnsupportedModel
from shared.runtimes import InstalledModel, LaunchPlan, RunSpec, RuntimeInfo
from shared.units import MIB, Bytes, parse_bytes
from shared.vocabulary import Capability, Format
from workers.launch.boot import boot_command, check_model
from workers.launch.diagnosis import COMMON, diagnose, symptom
from workers.launch.params import EngineParams, context_of, read_params, slots_of

_CAPABILITIES = (Capability.GENERATE, Capability.EMBED, Capability.TRANSCRIBE)
_SYMPTOMS = (
    symptom(
        r"unknown model architecture",
        UnsupportedModel,
        "echo cannot load this model",
        "leave `params.fail_load` out",
    ),
)


class EchoParams(EngineParams):
    """The script of a run; a request's `echo` field can change the course of that request."""

    load_seconds: float = Field(default=0.0, ge=0)
    #: Milliseconds until the first token.
    latency_ms: float = Field(default=0.0, ge=0)
    #: Milliseconds from each token to the next.
    itl_ms: float = Field(default=0.0, ge=0)
    #: Words in every answer; unset: as many as the last user message has.
    tokens: int | None = Field(default=None, ge=0)
    #: Bytes that loading takes, for real.
    memory: Annotated[Bytes, BeforeValidator(parse_bytes)] = Field(default=Bytes(0), ge=0)
    #: Bytes that each request adds to them, for real and for good; no estimate knows of it.
    growth: Annotated[Bytes, BeforeValidator(parse_bytes)] = Field(default=Bytes(0), ge=0)
    fail_load: Literal["oom", "unsupported", "crash", "hang"] | None = None


class Echo:
    name = "echo"

    def probe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name=self.name,
            version=_version(),
            formats=(Format.ECHO,),
            capabilities=_CAPABILITIES,
            default_slots=32,
            max_slots=256,
            default_context=8192,
            base_memory=Bytes(40 * MIB),
        )

    def plan(self, spec: RunSpec, model: InstalledModel, port: int) -> LaunchPlan:
        params = read_params(EchoParams, self.name, spec.params)
        info = self.probe()
        if model.path:
            check_model(info, model, *_CAPABILITIES)
        slots = slots_of(spec, info)
        options = {
            "name": model.name,
            "port": port,
            "slots": slots,
            "script": params.model_dump(include={"latency_ms", "itl_ms", "tokens"}),
            **params.model_dump(include={"load_seconds", "memory", "fail_load", "growth"}),
        }
        return LaunchPlan(
            command=boot_command("echo", options),
            port=port,
            served_name=model.name,
            slots=slots,
            context=context_of(spec, info, model),
        )

    def diagnose(self, exit_code: int | None, stderr_tail: str) -> Problem:
        return diagnose(self.name, (*_SYMPTOMS, *COMMON), exit_code, stderr_tail)


def _version() -> str:
    try:
        return version("cidermill")
    except PackageNotFoundError:
        return "source"


RUNTIME = Echo()
