"""What the pieces of a job took together."""

from __future__ import annotations

import math

from shared.batch import Tally


def test_a_piece_whose_engine_counts_wrong_spoils_no_sum() -> None:
    tally = Tally()
    for odd in (math.nan, "7", -1, 2**70, 5):
        told = {"cached_tokens": odd}
        tally.add(
            {"usage": {"prompt_tokens": odd, "completion_tokens": odd, "prompt_tokens_details": told, "seconds": odd}}
        )
    assert tally == Tally(succeeded=5, prompt_tokens=5, completion_tokens=5, cached_tokens=5, audio=5.0)
