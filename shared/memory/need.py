"""What a run needs, by cause."""

from __future__ import annotations

from dataclasses import dataclass

from shared.units import Bytes, format_bytes

_NOTHING = Bytes(0)


@dataclass(frozen=True, slots=True)
class Need:
    """What a run needs, in bytes, by cause."""

    weights: Bytes
    kv_cache: Bytes
    base: Bytes
    margin: Bytes
    #: What measured peaks add to the estimate, or take from it (`shared/runs/learned.py`).
    correction: Bytes = _NOTHING
    #: What recurrent layers keep for each sequence.
    state: Bytes = _NOTHING
    #: Work space for as many tokens as the engine works through at once.
    prefill: Bytes = _NOTHING
    #: Work space of the encoder of pictures.
    sight: Bytes = _NOTHING
    #: Caches of finished requests, kept for the next one that begins alike.
    kept: Bytes = _NOTHING

    @property
    def total(self) -> Bytes:
        work = (self.prefill, self.sight)
        parts = (self.weights, self.kv_cache, self.state, *work, self.kept, self.base, self.margin)
        return Bytes(sum(parts) + self.correction)

    def sentence(self) -> str:
        """`needs 5.9 GiB: 4.6 GiB weights, 1.0 GiB KV cache, …`."""
        parts = {
            "weights": self.weights,
            "KV cache": self.kv_cache,
            "recurrent state": self.state,
            "prefill": self.prefill,
            "pictures": self.sight,
            "kept prompts": self.kept,
            "engine": self.base,
            "margin": self.margin,
            "as measured before": self.correction,
        }
        causes = ", ".join(f"{format_bytes(size)} {cause}" for cause, size in parts.items() if size)
        return f"needs {format_bytes(self.total)}" + (f": {causes}" if causes else "")
