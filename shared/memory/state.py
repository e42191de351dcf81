"""What recurrent layers keep for each sequence: a state of fixed size, and the last inputs of their convolution.

Neither grows with the context. Gated delta nets keep `value heads · value width · key width` elements a layer
(`mlx_lm/models/gated_delta.py`), Mamba `inner width · state width`; llama.cpp counts both the same way
(`llama_hparams::n_embd_s`, `n_embd_r`).
"""

from __future__ import annotations

from shared.memory.engine import Engine, Family
from shared.runtimes import ModelShape

#: The state is summed up in float32 by every engine.
FLOAT32 = 4


def recurrent_state(shape: ModelShape, engine: Engine) -> int:
    """Bytes for one sequence. llama.cpp keeps inputs of convolutions in float32, MLX in the model's own element."""
    convolution = shape.element if engine.family is Family.MLX else FLOAT32
    return shape.state * FLOAT32 + shape.convolution * convolution
