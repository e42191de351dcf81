"""The engines under test: for each a model, a spec that suits this machine, and what a broken model looks like."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.runtimes import InstalledModel, RunSpec, Runtime
from tests.models import ECHO, random_llama, smollm2, whisper_tiny
from workers.runtimes import discover

_PLAIN = RunSpec()


@dataclass(frozen=True)
class Engine:
    """One runtime with a real model."""

    name: str
    #: Makes or finds the model; gets a folder to make it in.
    model: Callable[[Path], InstalledModel]
    spec: RunSpec
    #: A model of the right kind whose weights are cut short.
    broken: Callable[[Path], InstalledModel] | None
    #: A spec that makes a good model fail as a broken one does, where there is no broken one.
    broken_spec: RunSpec = _PLAIN
    chats: bool = True

    @property
    def runtime(self) -> Runtime:
        return discover()[self.name]


def _cut_gguf(folder: Path) -> InstalledModel:
    whole = smollm2()
    path = folder / "cut.gguf"
    with Path(whole.path).open("rb") as source:
        path.write_bytes(source.read(30_000_000))
    return whole.model_copy(update={"path": str(path)})


def _cut_llama(folder: Path) -> InstalledModel:
    model = random_llama(folder / "cut")
    weights = Path(model.path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    return model


def _cut_whisper(folder: Path) -> InstalledModel:
    whole = whisper_tiny()
    path = folder / "cut"
    shutil.copytree(whole.path, path)
    (path / "model.bin").write_bytes((path / "model.bin").read_bytes()[:1_000_000])
    return whole.model_copy(update={"path": str(path)})


_ALL = (
    Engine("echo", lambda _: ECHO, RunSpec(), None, RunSpec(params={"fail_load": "unsupported"})),
    Engine("llama-cpp", lambda _: smollm2(), RunSpec(slots=4, context=512), _cut_gguf),
    Engine("mlx-lm", lambda folder: random_llama(folder / "llama"), RunSpec(slots=4, context=256), _cut_llama),
    Engine("whisper", lambda _: whisper_tiny(), RunSpec(), _cut_whisper, chats=False),
)
_REAL = {"llama-cpp", "whisper"}


def _parameter(engine: Engine) -> object:
    missing = engine.runtime.probe() is None
    marks = [pytest.mark.skipif(missing, reason=f"{engine.name} is not installed")]
    if engine.name in _REAL:
        marks.append(pytest.mark.model)
    return pytest.param(engine, id=engine.name, marks=marks)


ENGINES = [_parameter(engine) for engine in _ALL]
CHATTING = [_parameter(engine) for engine in _ALL if engine.chats]
