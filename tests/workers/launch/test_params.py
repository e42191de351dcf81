"""Parameters are checked by name before a process starts."""

from __future__ import annotations

import pytest

from shared.errors import InvalidParameters
from shared.runtimes import RunSpec, RuntimeInfo
from tests.models import ECHO
from workers.launch.params import EngineParams, context_of, read_params, slots_of

_INFO = RuntimeInfo(name="x", version="1", formats=(), capabilities=(), default_slots=4, max_slots=8)


class Params(EngineParams):
    threads: int = 1
    beam_size: int = 5


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    with pytest.raises(InvalidParameters) as caught:
        read_params(Params, "engine", {"thread": 2})
    assert caught.value.problem.fix == "did you mean 'threads'?"
    assert caught.value.problem.why == "it knows beam_size, threads"


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(InvalidParameters, match="beam_size"):
        read_params(Params, "engine", {"beam_size": "many"})


def test_slots_are_the_runtimes_own_unless_asked_for() -> None:
    assert slots_of(RunSpec(), _INFO) == 4
    assert slots_of(RunSpec(slots=8), _INFO) == 8
    with pytest.raises(InvalidParameters, match="at most 8 slots"):
        slots_of(RunSpec(slots=9), _INFO)


def test_the_models_own_context_caps_the_wish() -> None:
    short = ECHO.model_copy(update={"context": 512})
    assert context_of(RunSpec(), _INFO, ECHO) == 4096
    assert context_of(RunSpec(), _INFO, short) == 512
    assert context_of(RunSpec(context=256), _INFO, short) == 256
