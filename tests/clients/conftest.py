"""A whole Cidermill with a real model behind it, shared by all clients, and a front door for those with a script."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import door, fleet, open_door
from tests.models import smollm2, whisper_tiny
from tests.speech import AUDIO
from tests.stack import Stack, running

__all__ = ["door", "fleet", "open_door"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """SmolLM2 on llama.cpp as `smollm2`, Whisper as `whisper`, neither loaded yet, and `echo`, which embeds."""
    home = tmp_path_factory.mktemp("clients") / "home"
    with running(home, runtimes='["llama-cpp","whisper","echo","store"]') as stack:
        for name, model in (("smollm2", smollm2()), ("whisper", whisper_tiny())):
            done = stack.wait(stack.submit("download", model=f"local:{model.path}", name=name))
            assert done["state"] == "succeeded", done["error"]
        yield stack


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of real speech."""
    path = tmp_path_factory.mktemp("recording") / "two_cities.wav"
    with wave.open(str(AUDIO), "rb") as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(8 * whole.getframerate()))
    return path
