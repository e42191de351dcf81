"""`llama-cpp`: GGUF models in llama.cpp's own server: `xllamacpp`, else a `llama-server` that is on the PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from shared.errors import InvalidInput, Problem, UnsupportedModel
from shared.memory.engine import llama_batch, llama_step
from shared.projector import projector_beside
from shared.runtimes import InstalledModel, LaunchPlan, RunSpec, RuntimeInfo
from shared.settings import load_settings
from shared.units import MIB, Bytes
from shared.vocabulary import Capability, Format
from workers.launch.boot import OFFLINE, boot_command, check_model, installed
from workers.launch.cores import fast_cores
from workers.launch.diagnosis import COMMON, diagnose, symptom
from workers.launch.metal import HAS_METAL
from workers.launch.params import EngineParams, context_of, read_params, slots_of
from workers.launch.tool_template import tool_template

_CAPABILITIES = (Capability.GENERATE, Capability.EMBED)
#: Threads that wait for each other sleep instead of spinning. Where anything else wants the same cores, spinning makes
#: tokens a hundred times slower (measured on 2 cores: 0.5 instead of 57 a second), and it starves the others.
_SHARED_CORES = {"OMP_WAIT_POLICY": "passive"}
#: A picture, or a tile of it, is encoded at a time, as in our own process; an older `llama-server` does so anyway.
_ONE_PICTURE = {"LLAMA_ARG_MTMD_BATCH_MAX_TOKENS": "1"}
#: Measured with nothing loaded but the smallest of models; the work space of a batch is estimated apart.
_BASE = Bytes((182 if HAS_METAL else 76) * MIB)
#: Tokens of a prompt that are read at least before others come. A GPU is slower with fewer than it takes at once; a CPU
#: is not, down to 64, which llama.cpp's attention takes together.
_CHUNK = llama_step(gpu=True) if HAS_METAL else 64
_CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
_SYMPTOMS = (
    symptom(
        r"unknown model architecture|unknown pre-tokenizer|wrong number of tensors|missing tensor",
        UnsupportedModel,
        "llama.cpp does not know this kind of model",
        "update xllamacpp, or install the model in a format of another runtime",
    ),
    symptom(
        r"invalid magic|is corrupted or incomplete|failed to read (?:key|tensor)|failed to open GGUF",
        UnsupportedModel,
        "The GGUF file is damaged or incomplete",
        "remove the model and install it again",
    ),
    symptom(
        r"mismatch between text model|failed to load multimodal model",
        UnsupportedModel,
        "llama.cpp cannot load the model with the projector that lies beside it",
        "remove the mmproj file from the model's folder, or put there the one that belongs to it",
    ),
    *COMMON,
    symptom(
        r"error loading model|failed to load model",
        UnsupportedModel,
        "llama.cpp cannot load this model",
        "see the run's log; another quantisation or runtime may load it",
    ),
)


class LlamaParams(EngineParams):
    """What may be set by a run; the names follow llama-server's options."""

    threads: int | None = Field(default=None, ge=1, le=512)
    threads_batch: int | None = Field(default=None, ge=1, le=512)
    #: Tokens of prompts that are read in one step: others' tokens wait for its end, and who leaves for two. None:
    #: `ubatch_size`, which costs no speed, as more is worked through in such parts anyway. Below 64 a CPU reads long
    #: prompts at half the speed.
    batch_size: int | None = Field(default=None, ge=32)
    #: None: 512 on a GPU, 128 on a CPU; of what sees at least 512 and `image_max_tokens`, as some models look at a
    #: whole picture at once.
    ubatch_size: int | None = Field(default=None, ge=32)
    flash_attention: Literal["auto", "on", "off"] = "auto"
    cache_type_k: _CacheType = "f16"
    cache_type_v: _CacheType = "f16"
    #: Layers on the GPU; -1: all.
    gpu_layers: int = Field(default=-1, ge=-1)
    #: Tokens that a picture becomes at most, where the model takes pictures of any size; None: llama.cpp's own limit,
    #: but at most 4,096, and 1,024 where the encoder has windows (Qwen2.5-VL). What is larger is made smaller, and more
    #: needs more memory.
    image_max_tokens: int | None = Field(default=None, ge=128, le=16_384)
    #: Jinja text that replaces the model's own chat template.
    chat_template: str | None = None


class LlamaCpp:
    name = "llama-cpp"

    def probe(self) -> RuntimeInfo | None:
        found = _version()
        if found is None:
            return None
        return RuntimeInfo(
            name=self.name,
            version=found,
            formats=(Format.GGUF,),
            capabilities=_CAPABILITIES,
            # The fastest of 1 to 32 for 64 short chats on 2 cores; more only takes memory.
            default_slots=8,
            max_slots=256,
            base_memory=_BASE,
            gpu=HAS_METAL,
        )

    def plan(self, spec: RunSpec, model: InstalledModel, port: int) -> LaunchPlan:
        params = read_params(LlamaParams, self.name, spec.params)
        info = installed(self.probe(), self.name)
        path = check_model(info, model, *_CAPABILITIES)
        slots, context = slots_of(spec, info), context_of(spec, info, model)
        options: dict[str, Any] = {
            "binary": None if find_spec("xllamacpp") else shutil.which("llama-server"),
            "model": str(path),
            "projector": _projector(path, model),
            "name": model.name,
            "port": port,
            "slots": slots,
            "context": context,
            # Weights that the GPU uses out of a mapped file are counted as nobody's memory by macOS: neither the run's
            # nor free. Read into memory they are the run's, and both the guard and the ceiling see them.
            "map_weights": not HAS_METAL,
            **params.model_dump(),
            "image_max_tokens": params.image_max_tokens or (model.shape.vision and model.shape.vision.limit),
            "chat_template": params.chat_template or _tool_template(path),
            **_threads(params),
            **_steps(model, params, context),
            "prefill_step": _CHUNK,
        }
        return LaunchPlan(
            command=boot_command("llama_cpp", options),
            environment=OFFLINE | _SHARED_CORES | _ONE_PICTURE,
            port=port,
            served_name=model.name,
            slots=slots,
            context=context,
        )

    def diagnose(self, exit_code: int | None, stderr_tail: str) -> Problem:
        return diagnose(self.name, _SYMPTOMS, exit_code, stderr_tail)


def _tool_template(path: Path) -> str | None:
    """Whether a file can be read at all is told by llama.cpp, in the run's log."""
    try:
        return tool_template(path)
    except (OSError, InvalidInput):
        return None


def _projector(path: Path, model: InstalledModel) -> str | None:
    """What the model sees with; without it, it is loaded all the same, and refuses pictures."""
    beside = projector_beside(path, model.shape.hidden) if model.shape.vision is not None else None
    return str(beside[0]) if beside is not None else None


def _threads(params: LlamaParams) -> dict[str, int]:
    threads = params.threads or load_settings().llama_threads or fast_cores()
    return {"threads": threads, "threads_batch": params.threads_batch or threads}


def _steps(model: InstalledModel, params: LlamaParams, context: int) -> dict[str, Any]:
    """A model that only embeds takes each input whole, and one that sees a picture: a batch must hold it."""
    embeds = Capability.EMBED in model.capabilities and Capability.GENERATE not in model.capabilities
    shape = model.shape.model_copy(update={"embeds": embeds})
    at_once = llama_batch(shape, context, params.ubatch_size or 0, params.image_max_tokens or 0, gpu=HAS_METAL)
    whole = embeds or shape.vision is not None
    batch = max(params.batch_size or 0, at_once) if whole else params.batch_size or at_once
    return {"embedding": embeds, "batch_size": batch, "ubatch_size": at_once}


@cache
def _version() -> str | None:
    try:
        return f"xllamacpp {version('xllamacpp')}"
    except PackageNotFoundError:
        binary = shutil.which("llama-server")
    if binary is None:
        return None
    said = subprocess.run((binary, "--version"), capture_output=True, text=True, check=False, timeout=30)
    number = re.search(r"version: (\S+)", said.stdout + said.stderr)
    return f"llama-server {number[1] if number else 'unknown'}"


RUNTIME = LlamaCpp()
