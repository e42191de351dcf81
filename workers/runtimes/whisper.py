"""`whisper`: speech to text, by CTranslate2 (faster-whisper) everywhere, by MLX (mlx-audio) on Apple silicon too."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal

from pydantic import Field

from shared.errors import Problem, UnsupportedModel
from shared.runtimes import InstalledModel, LaunchPlan, RunSpec, RuntimeInfo
from shared.settings import load_settings
from shared.units import MIB, Bytes
from shared.vocabulary import Capability, Format
from workers.launch.boot import OFFLINE, boot_command, check_model, installed
from workers.launch.cores import fast_cores
from workers.launch.diagnosis import COMMON, diagnose, symptom
from workers.launch.metal import HAS_METAL
from workers.launch.params import EngineParams, read_params, slots_of

#: Tokens of text that Whisper keeps in mind; not for users to choose.
_CONTEXT = 448
#: Threads that wait for each other spin for some microseconds, then sleep: as fast as spinning on idle cores, and more
#: than twice as fast on shared ones (measured; sleeping at once costs a quarter on idle ones).
_SHARED_CORES = {"GOMP_SPINCOUNT": "1000"}
#: Measured with the smallest of models, after its first audio: decoder, tokenizer and spectrogram come with that.
_BASE = Bytes((384 if HAS_METAL else 148) * MIB)
_SYMPTOMS = (
    symptom(
        r"Unable to open file '.*'|File .* is incomplete|Unsupported model binary version|"
        r"has an invalid payload size|failed to read a buffer|does not appear to be a CTranslate2 model|vocabulary",
        UnsupportedModel,
        "The model's files are damaged, incomplete or of another engine",
        "remove the model and install it again",
    ),
    symptom(
        r"Model type \S+ not supported|is not a supported model type|Missing \d+ parameters|No such file or directory",
        UnsupportedModel,
        "The speech engine cannot load this model",
        "install it in CTranslate2's format, such as `hf:Systran/faster-whisper-small`",
    ),
    *COMMON,
)


class WhisperParams(EngineParams):
    """What may be set by a run."""

    #: CPU threads of each slot.
    threads: int | None = Field(default=None, ge=1, le=256)
    #: Hypotheses followed at once; 1 is greedy and fastest. CTranslate2 only.
    beam_size: int = Field(default=5, ge=1, le=20)
    compute_type: Literal["default", "int8", "int8_float32", "float16", "bfloat16", "float32"] = "default"
    #: Leave silence out before decoding. CTranslate2 only.
    vad: bool = False


class Whisper:
    name = "whisper"

    def probe(self) -> RuntimeInfo | None:
        engines = _engines()
        if not engines:
            return None
        return RuntimeInfo(
            name=self.name,
            version=", ".join(f"{name} {version(name)}" for name, _ in engines),
            formats=tuple(form for _, form in engines),
            capabilities=(Capability.TRANSCRIBE,),
            max_slots=8,
            default_context=_CONTEXT,
            base_memory=_BASE,
            gpu=HAS_METAL,
        )

    def plan(self, spec: RunSpec, model: InstalledModel, port: int) -> LaunchPlan:
        params = read_params(WhisperParams, self.name, spec.params)
        info = installed(self.probe(), self.name)
        path = check_model(info, model, Capability.TRANSCRIBE)
        slots = slots_of(spec, info)
        options: dict[str, Any] = {
            "model": str(path),
            "name": model.name,
            "port": port,
            "slots": slots,
            **params.model_dump(),
            "threads": params.threads or load_settings().whisper_threads or max(fast_cores() // slots, 1),
        }
        return LaunchPlan(
            command=boot_command("whisper", options),
            environment=OFFLINE | _SHARED_CORES,
            port=port,
            served_name=model.name,
            slots=slots,
            context=_CONTEXT,
        )

    def diagnose(self, exit_code: int | None, stderr_tail: str) -> Problem:
        return diagnose(self.name, _SYMPTOMS, exit_code, stderr_tail)


def _engines() -> list[tuple[str, Format]]:
    """Distributions that are installed, and what each loads."""
    found = []
    if find_spec("faster_whisper"):
        found.append(("faster-whisper", Format.CTRANSLATE2))
    if HAS_METAL and find_spec("mlx_audio"):
        found.append(("mlx-audio", Format.SAFETENSORS))
    return found


RUNTIME = Whisper()
