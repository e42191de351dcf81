"""Weights + caches + work space + what the engine takes + a margin."""

from __future__ import annotations

from math import ceil

from shared.memory.cache import known_cache, unknown_cache
from shared.memory.engine import Engine, Family
from shared.memory.need import Need
from shared.memory.prefill import work_space
from shared.memory.sight import sight_work
from shared.memory.speech import speech_cache, speech_weights, speech_work
from shared.memory.state import recurrent_state
from shared.runtimes import ModelShape
from shared.units import Bytes

#: Part of the weights that is added for what no formula sees.
MARGIN = 0.05


def estimate(
    shape: ModelShape, weights: Bytes, context: int, slots: int, base: Bytes, engine: Engine | None = None
) -> Need:
    """What a run of `slots` sequences, each of `context` tokens, will hold in `engine` (default: llama.cpp).

    `weights` are the bytes of the weight files, `base` what the engine takes before any model.
    """
    engine = engine or Engine()
    if shape.encoder_layers:
        weights = Bytes(speech_weights(shape, weights, engine))
    margin = Bytes(ceil(weights * MARGIN))
    if shape.encoder_layers:
        cache, work = speech_cache(shape, engine) * slots, speech_work(shape, engine) * slots
        return Need(weights, Bytes(cache), base, margin, prefill=Bytes(work))
    per_slot = known_cache(shape, context, engine)
    if per_slot is None:
        per_slot = unknown_cache(weights, context)
    state = recurrent_state(shape, engine)
    return Need(
        weights=weights,
        kv_cache=Bytes(per_slot * slots),
        base=base,
        margin=margin,
        state=Bytes(state * slots),
        prefill=Bytes(work_space(shape, context, slots, engine)),
        sight=Bytes(sight_work(shape.vision, context, engine)),
        kept=Bytes(per_slot + state if engine.family is Family.MLX else 0),
    )
