"""What a run will be, and hold, when its spec leaves things open."""

from __future__ import annotations

import pytest

from shared.errors import InvalidParameters
from shared.runs.need import size_run
from shared.runtimes import InstalledModel, ModelShape, RunSpec, RuntimeInfo
from shared.units import GIB, MIB, Bytes
from shared.vocabulary import Capability, Format

LLAMA = RuntimeInfo(
    name="llama-cpp",
    version="1",
    formats=(Format.GGUF,),
    capabilities=(Capability.GENERATE,),
    default_slots=4,
    max_slots=16,
    default_context=4096,
    base_memory=Bytes(200 * MIB),
)
SHAPE = ModelShape(layers=32, kv_heads=8, key_dim=128, value_dim=128)
QWEN = InstalledModel(
    id="m", name="qwen", format=Format.GGUF, path="/m", size=Bytes(4 * GIB), context=32768, shape=SHAPE
)
ECHO = InstalledModel(id="e", name="echo", format=Format.ECHO, path="", size=Bytes(0))


def test_the_runtime_decides_what_the_spec_leaves_open() -> None:
    size = size_run(QWEN, LLAMA, RunSpec())
    assert (size.context, size.slots) == (4096, 4)
    assert size.need.kv_cache == 4 * 4096 * 128 * 1024
    assert size.need.total == 4 * GIB + size.need.kv_cache + size.need.prefill + 200 * MIB + size.need.margin


def test_what_is_asked_counts_up_to_what_model_and_runtime_can() -> None:
    size = size_run(QWEN, LLAMA, RunSpec(context=100_000, slots=64))
    assert (size.context, size.slots) == (32768, 16)


def test_a_model_without_a_known_context_takes_what_is_asked() -> None:
    assert size_run(QWEN.model_copy(update={"context": None}), LLAMA, RunSpec(context=100_000)).context == 100_000


@pytest.mark.parametrize(("memory", "total"), [(None, 200 * MIB), (1024, 200 * MIB + 1024), ("1GiB", 200 * MIB + GIB)])
def test_the_echo_model_holds_what_its_script_says(memory: int | str | None, total: int) -> None:
    params = {} if memory is None else {"memory": memory}
    assert size_run(ECHO, LLAMA, RunSpec(params=params)).need.total == total


@pytest.mark.parametrize("memory", ["lots", -1, None, [1]])
def test_a_scripted_memory_that_is_no_size_is_refused(memory: object) -> None:
    with pytest.raises(InvalidParameters, match=r"params\.memory"):
        size_run(ECHO, LLAMA, RunSpec(params={"memory": memory}))
