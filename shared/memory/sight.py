"""Work space of a projector's encoder: what llama.cpp holds while it looks at a picture."""

from __future__ import annotations

from shared.memory.engine import Engine, Family
from shared.pictures import MOST_PIXELS, MOST_TOGETHER
from shared.runtimes import VisionShape

_FLOAT32 = 4
#: Bytes of a pixel: all pictures of a request are kept decoded, and the one that is read is held twice meanwhile.
_PIXEL = 3
#: Bytes of two patches in a mask: as it is made, and as it is handed over.
_MASK = 8
#: Tokens of a picture of any size for which llama.cpp reserves memory at its start on a GPU, whatever the limit.
_RESERVED = 46 * 46


def sight_work(vision: VisionShape | None, context: int, engine: Engine) -> int:
    """Bytes for the picture with the most patches that a run of so much context is shown; one is encoded at a time.

    A patch's pixels, four vectors of the encoder's width and two of its feed-forward block (measured with the shape of
    Gemma 3's encoder: 189 MB held where this says 226). With windows, a mask of all patches by all (measured with
    16,384 patches: 2,143 MiB held where both say 2,272). Beside them a request's pictures, decoded, however small they
    are made.
    """
    if vision is None or engine.family is not Family.LLAMA:
        return 0
    patches = vision.patches if vision.fixed else _free(vision, context, engine)
    vectors = patches * _FLOAT32 * (3 * vision.patch**2 + 4 * vision.hidden + 2 * vision.feed_forward)
    mask = _MASK * patches**2 if vision.windowed else 0
    return (MOST_TOGETHER + MOST_PIXELS) * _PIXEL + vectors + mask


def _free(vision: VisionShape, context: int, engine: Engine) -> int:
    """Patches of the largest picture where its size is free."""
    most = vision.patches // vision.merged
    tokens = min((engine.picture if vision.limited else None) or most, context)
    return (max(tokens, _RESERVED) if engine.gpu else tokens) * vision.merged
