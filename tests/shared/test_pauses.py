"""A full collection does not look at what was there before."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from shared import pauses


@pytest.fixture
def as_before() -> Iterator[None]:
    turn = sys.getswitchinterval()
    yield
    gc.unfreeze()
    sys.setswitchinterval(turn)


@pytest.mark.usefixtures("as_before")
def test_what_was_loaded_is_not_collected_again_and_threads_take_shorter_turns() -> None:
    loaded, turn = len(gc.get_objects()), sys.getswitchinterval()
    pauses.shorten()
    assert len(gc.get_objects()) < loaded / 10
    assert sys.getswitchinterval() < turn
