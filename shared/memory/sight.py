"""Work space of a projector's encoder: what llama.cpp holds while it looks at a picture."""

from __future__ import annotations

from shared.memory.engine import Engine, Family
from shared.runtimes import VisionShape

_FLOAT32 = 4


def sight_work(vision: VisionShape | None, context: int, engine: Engine) -> int:
    """Bytes for the picture with the most patches that a run of so much context is shown; one is encoded at a time.

    A patch's pixels, four vectors of the encoder's width and two of its feed-forward block (measured with the shape of
    Gemma 3's encoder: 189 MB held where this says 226).
    """
    if vision is None or engine.family is not Family.LLAMA:
        return 0
    patches = vision.patches
    if not vision.fixed:
        tokens = min(engine.picture or patches // vision.merged, context)
        patches = tokens * vision.merged
    return patches * _FLOAT32 * (3 * vision.patch**2 + 4 * vision.hidden + 2 * vision.feed_forward)
