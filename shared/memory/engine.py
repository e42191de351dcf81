"""How an engine holds a model, as far as memory goes: read from a model's format and a run's parameters.

The format tells the engine's kind wherever it runs: GGUF is loaded by llama.cpp (also inside Ollama and LM Studio),
safetensors by MLX, CTranslate2 by itself. So the scheduler needs to know no runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from shared.memory.element import CACHE_TYPES, packed
from shared.runtimes import ModelShape
from shared.units import MIB, parse_bytes
from shared.vocabulary import Format

#: Tokens of a prompt that are worked through at once when a run does not say. A CPU reads as fast in steps of 128 as of
#: 512 (140 and 142 tokens for each second of a core, SmolLM2), and whoever leaves, or writes beside, waits for steps to
#: end; a GPU wants the longer ones. A CPU's attention takes 64 tokens together: shorter steps, or what eight writers
#: leave of a step of 64, would be read token by token.
MLX_STEP, LLAMA_STEP, LLAMA_CPU_STEP = 2048, 512, 128
#: Bytes of freed buffers that MLX keeps on a GPU when a run does not say.
SPARE = 256 * MIB
BEAMS = 5


class Family(StrEnum):
    MLX = "mlx"
    LLAMA = "llama.cpp"
    CTRANSLATE2 = "ctranslate2"


@dataclass(frozen=True, slots=True)
class Engine:
    """What the estimate reads of an engine and of the parameters of a run."""

    family: Family = Family.LLAMA
    #: Tokens of each prompt that are worked through at once.
    step: int = LLAMA_STEP
    #: Bytes of a cached element of keys and of values; `None`: of the element the model computes with.
    key: Fraction | None = None
    value: Fraction | None = None
    #: llama.cpp only: flash attention, which never holds a whole matrix of scores.
    flash: bool = True
    #: llama.cpp only: tokens that a picture becomes at most, where its size is free; `None`: the engine's own limit.
    picture: int | None = None
    #: It computes on a GPU that shares the host's memory (Metal).
    gpu: bool = False
    #: MLX on a GPU: bytes of freed buffers it keeps.
    spare: int = SPARE
    #: CTranslate2: hypotheses followed at once, and bytes of a weight in memory; `None`: as in the file.
    beams: int = BEAMS
    weight: int | None = None


def engine_of(
    form: Format, shape: ModelShape, params: Mapping[str, Any], *, context: int = 0, gpu: bool = False
) -> Engine:
    """The engine that loads `form`, as `params` sets it; what makes no sense in them counts as not said.

    `context` is that of a slot: models that only embed take an input of that length whole.
    """
    if form is Format.GGUF:
        picture = _count(params, "image_max_tokens", 0)
        step = llama_batch(shape, context, _count(params, "ubatch_size", 0), picture, gpu=gpu)
        key, value = (CACHE_TYPES.get(str(params.get(f"cache_type_{name}")), Fraction(2)) for name in "kv")
        flash = params.get("flash_attention") != "off"
        return Engine(Family.LLAMA, step, key, value, flash=flash, picture=picture or None, gpu=gpu)
    if form is Format.CTRANSLATE2:
        return Engine(Family.CTRANSLATE2, beams=_count(params, "beam_size", BEAMS), weight=_computed(shape, params))
    step, bits = _count(params, "prefill_step", MLX_STEP), _count(params, "kv_bits", 0)
    cached = packed(bits, _count(params, "kv_group_size", 64), shape.element) if bits else None
    return Engine(Family.MLX, step, cached, cached, gpu=gpu, spare=_size(params, "cache_limit", SPARE))


def llama_step(*, gpu: bool) -> int:
    """Tokens that llama.cpp works through at once where nobody says how many."""
    return LLAMA_STEP if gpu else LLAMA_CPU_STEP


def llama_batch(shape: ModelShape, context: int, asked: int, picture: int = 0, *, gpu: bool) -> int:
    """Tokens that llama.cpp works through at once: at least an input of what only embeds, and a picture.

    Some models look at all tokens of a picture together, and llama.cpp ends when those are more than that: `picture` is
    how many a run allows it.
    """
    picture = max(LLAMA_STEP, picture) if shape.vision is not None else 0
    return max(asked or llama_step(gpu=gpu), context if shape.embeds else 0, picture)


def _computed(shape: ModelShape, params: Mapping[str, Any]) -> int:
    """Bytes of a weight as CTranslate2 holds it: it converts the file to what it computes with.

    CPUs do not compute with 16 bits, so that such weights become float32, whether they were asked for or found.
    """
    asked = str(params.get("compute_type", "default"))
    if asked == "default":
        return shape.element if shape.element == 1 else 4
    return 1 if asked.startswith("int8") else 4


def _count(params: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = params.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else otherwise


def _size(params: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = params.get(name)
    try:
        return max(0, parse_bytes(value)) if isinstance(value, int | str) else otherwise
    except ValueError:
        return otherwise
