"""Whisper on MLX, with a library that tells which thread it is called in."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from workers.runtimes.boot.stretches import Told

_TOLD = Told(language="en", prompt=None, temperature=None, task="transcribe", words=False)
_SEGMENT = {"start": 0.0, "end": 1.0, "text": " yes", "seek": 0, "tokens": [1], "avg_logprob": -0.1}


class Library:
    """mlx-audio, as far as it is used."""

    is_multilingual = True

    def __init__(self) -> None:
        self.threads: list[int] = []
        self._turn = threading.Lock()

    def load_model(self, _: object) -> Library:
        self.threads.append(threading.get_ident())
        return self

    def generate(self, *_: object, **__: object) -> Any:
        assert self._turn.acquire(blocking=False), "two at once"
        self.threads.append(threading.get_ident())
        self._turn.release()
        return SimpleNamespace(language="en", segments=[_SEGMENT, {**_SEGMENT, "text": " "}])


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """In place of mlx and mlx-audio, which a Mac has."""
    fake = Library()
    parts: dict[str, dict[str, Any]] = {
        "mlx": {},
        "mlx.core": {"set_cache_limit": lambda _: None},
        "mlx_audio": {},
        "mlx_audio.stt": {},
        "mlx_audio.stt.utils": {"load_model": fake.load_model},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, own = name.rpartition(".")
        if parent:
            monkeypatch.setattr(sys.modules[parent], own, module, raising=False)
    monkeypatch.delitem(sys.modules, "workers.runtimes.boot.whisper_mlx", raising=False)
    yield fake
    sys.modules.pop("workers.runtimes.boot.whisper_mlx", None)


def test_one_thread_loads_and_hears_whoever_asks(library: Library) -> None:
    """Streams of MLX belong to the thread that made them."""
    ears = importlib.import_module("workers.runtimes.boot.whisper_mlx").MlxWhisper({"model": "somewhere"})
    for _ in range(5):
        with ThreadPoolExecutor(4) as askers:
            heard = list(askers.map(lambda _: ears.listen(None, _TOLD), range(4)))
    assert [[segment.text.strip() for segment in segments] for _, segments in heard] == [["yes"]] * 4
    assert len(library.threads) == 21
    assert len(set(library.threads)) == 1
    assert threading.get_ident() not in library.threads
