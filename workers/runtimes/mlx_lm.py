"""`mlx-lm`: safetensors models, plain or quantised by MLX, in `mlx_lm.server`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from shared.errors import OutOfMemory, Problem, UnsupportedModel
from shared.runs.need import size_run
from shared.runtimes import InstalledModel, LaunchPlan, RunSpec, RuntimeInfo
from shared.units import MIB, Bytes, parse_bytes
from shared.vocabulary import Capability, Format
from workers.launch.boot import OFFLINE, boot_command, check_model, installed
from workers.launch.diagnosis import COMMON, diagnose, symptom
from workers.launch.metal import HAS_METAL
from workers.launch.params import EngineParams, context_of, read_params, slots_of

#: Measured with nothing loaded but the smallest of models; on Metal, compiled kernels and freed buffers add to it.
_BASE = Bytes((640 if HAS_METAL else 88) * MIB)
_SYMPTOMS = (
    symptom(
        r"Model type \S+ not supported|unknown model type",
        UnsupportedModel,
        "mlx-lm does not know this kind of model",
        "update mlx-lm, or install the model in a format of another runtime",
    ),
    symptom(
        r"No safetensors found|\[load_safetensors\]|Invalid json header|Missing \d+ parameters|"
        r"Received \d+ parameters not in model|Expected shape|JSONDecodeError|No such file or directory",
        UnsupportedModel,
        "The model's files are damaged, incomplete or do not belong together",
        "remove the model and install it again",
    ),
    symptom(
        r"\[metal::malloc\]|\[malloc_or_wait\]|maximum allowed buffer size",
        OutOfMemory,
        "The GPU cannot give so much memory at once",
        "lower context, slots or prefill_step, or take a smaller quantisation",
    ),
    *COMMON,
)

#: MLX gives freed buffers back, and works slower, rather than hold more than this times what was reserved for the run;
#: what estimates miss must not cost speed.
_SLACK = 1.1

#: Without a GPU, freed buffers go back to glibc, which learns to keep ever larger ones, up to 32 MiB each, on a heap
#: that falls to pieces. With a fixed threshold it gives every one back to the system.
_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": str(1 * MIB), "MALLOC_TRIM_THRESHOLD_": str(1 * MIB)}


class MlxParams(EngineParams):
    """What may be set by a run."""

    #: Tokens of prompts that are worked through in one step, which they share; less needs less memory. Others' tokens
    #: wait for its end, and so does who leaves.
    prefill_step: int = Field(default=2048, ge=32)
    #: Bytes of freed buffers that MLX keeps; its own default is most of the memory. Without a GPU 32 MiB at most.
    cache_limit: Annotated[Bytes, BeforeValidator(parse_bytes)] = Field(default=Bytes(256 * MIB), ge=0)
    #: Bits of a cached element, packed in groups; requests then run one after another, and sliding windows cannot be.
    kv_bits: Literal[4, 8] | None = None
    kv_group_size: Literal[32, 64, 128] = 64
    #: Jinja text that replaces the model's own chat template.
    chat_template: str | None = None


class MlxLm:
    name = "mlx-lm"

    def probe(self) -> RuntimeInfo | None:
        if find_spec("mlx_lm") is None or find_spec("mlx") is None:
            return None
        try:
            found = f"mlx-lm {version('mlx-lm')}, mlx {version('mlx')}"
        except PackageNotFoundError:
            return None
        return RuntimeInfo(
            name=self.name,
            version=found,
            formats=(Format.SAFETENSORS,),
            capabilities=(Capability.GENERATE,),
            default_slots=8,
            max_slots=64,
            base_memory=_BASE,
            gpu=HAS_METAL,
        )

    def plan(self, spec: RunSpec, model: InstalledModel, port: int) -> LaunchPlan:
        params = read_params(MlxParams, self.name, spec.params)
        info = installed(self.probe(), self.name)
        path = check_model(info, model, Capability.GENERATE)
        slots, context = slots_of(spec, info), context_of(spec, info, model)
        # What it was expected to hold when it was placed, as far as that was not learned.
        need = size_run(model, info, spec).need
        options: dict[str, Any] = {
            "model": str(path),
            "name": model.name,
            "port": port,
            "slots": slots,
            "context": context,
            # Of as many requests as there are slots, and of one that has finished.
            "prompt_cache": (need.kv_cache + need.state) * (slots + 1) // slots,
            "memory_limit": int(need.total * _SLACK),
            **params.model_dump(),
        }
        return LaunchPlan(
            command=boot_command("mlx_lm", options),
            environment=OFFLINE | _GIVE_BACK,
            port=port,
            served_name=model.name,
            slots=slots,
            context=context,
            weights=model.size,
        )

    def diagnose(self, exit_code: int | None, stderr_tail: str) -> Problem:
        return diagnose(self.name, _SYMPTOMS, exit_code, stderr_tail)


RUNTIME = MlxLm()
