"""How a run will be loaded when its spec leaves things open, and what it will hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.errors import InvalidParameters
from shared.memory import Need, engine_of, estimate
from shared.runs.learned import LearnedPeak, Load, correct, params_digest, version_key
from shared.runtimes import ModelShape, RunSpec, RuntimeInfo
from shared.units import Bytes, parse_bytes
from shared.vocabulary import Format


class Loadable(Protocol):
    """What the estimate reads of a model; `InstalledModel` and the scheduler's view both have it."""

    @property
    def format(self) -> Format: ...

    @property
    def size(self) -> Bytes: ...

    @property
    def context(self) -> int | None: ...

    @property
    def shape(self) -> ModelShape: ...


@dataclass(frozen=True, slots=True)
class RunSize:
    """A run as it will be loaded: tokens per slot, slots, and bytes by cause."""

    context: int
    slots: int
    need: Need


def size_run(model: Loadable, runtime: RuntimeInfo, spec: RunSpec, learned: Sequence[LearnedPeak] = ()) -> RunSize:
    """What `runtime` will load for `spec`; `learned` are the measured peaks of this model, of any runtime.

    Context is what was asked or the runtime's default, at most the model's own; slots likewise, at most the
    runtime's. Raises InvalidParameters when the echo model's scripted memory is not a size.
    """
    context = capped_context(model, spec.context or runtime.default_context)
    slots = min(spec.slots or runtime.default_slots, runtime.max_slots)
    if model.format == Format.ECHO:
        need = Need(Bytes(0), Bytes(0), Bytes(runtime.base_memory + _scripted(spec)), Bytes(0))
    else:
        engine = engine_of(model.format, model.shape, spec.params, context=context, gpu=runtime.gpu)
        need = estimate(model.shape, model.size, context, slots, runtime.base_memory, engine)
    load = Load(runtime.name, version_key(runtime.version), context, slots, params_digest(spec.params))
    return RunSize(context, slots, correct(need, load, learned))


def capped_context(model: Loadable, tokens: int) -> int:
    """`tokens`, or the most that the model was trained for."""
    return min(tokens, model.context) if model.context else tokens


def _scripted(spec: RunSpec) -> Bytes:
    """Bytes the echo model pretends to hold: `params.memory`, a number or a text such as `512MiB`."""
    asked = spec.params.get("memory", 0)
    try:
        size = parse_bytes(asked)
        if size < 0:
            raise ValueError(f"{asked!r} is negative")
        return size
    except (TypeError, ValueError) as error:
        raise InvalidParameters(
            f"The echo model cannot hold {asked!r} of memory",
            "params.memory is not a number of bytes or a size",
            'write it as 536870912 or "512MiB"',
        ) from error
