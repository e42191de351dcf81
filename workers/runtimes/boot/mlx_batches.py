"""What mlx-lm works on in one step: a token of each answer, and prompts as far as a step goes."""

from __future__ import annotations

from itertools import islice
from typing import Any

from mlx_lm.generate import BatchGenerator


class Batches(BatchGenerator):  # type: ignore[misc]
    """Works on as many sequences as there are slots, which share the tokens of a step.

    The original counts prompts and answers apart: with all slots but one at an answer it goes on to take in prompts,
    up to twice the slots, and their caches come on top of what was estimated. And it reads a whole step of each prompt
    before it looks at anything else, every one made as long as the longest: a short question waits for all of them.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: Tokens of a step, of all prompts together.
        self._step = self.prefill_step_size

    def next(self) -> Any:
        self.prefill_step_size = self._share()
        return super().next()

    def _share(self) -> int:
        """Tokens that each prompt gets of the next step: none gets more than the one that ends first needs."""
        read = [segments for segments, *_ in self._currently_processing]
        come = [segments for _, segments, *_ in islice(self._unprocessed_sequences, self._takes)]
        # Of one with a single token left the answer begins.
        lengths = [len(part) for part, *more in read + come if more or len(part) > 1]
        return min([max(1, self._step // max(1, len(lengths))), *lengths])

    @property
    def _free(self) -> int:
        """Slots."""
        free: int = self.completion_batch_size - len(self._prompt_batch) - len(self._generation_batch)
        return max(0, free)

    @property
    def _takes(self) -> int:
        """Prompts that it begins at the next step at most."""
        room: int = self.prefill_batch_size - len(self._prompt_batch)
        return max(0, min(self._free, room))

    def _make_batch(self, n: int) -> Any:
        return super()._make_batch(min(n, self._free))
