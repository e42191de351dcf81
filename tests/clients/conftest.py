"""A whole Cidermill with a real model behind it, shared by all clients, and a front door for those with a script."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import door, fleet, open_door
from tests.handmade import png
from tests.models import seeing, smollm2, whisper_tiny
from tests.speech import AUDIO
from tests.stack import Stack, running

__all__ = ["door", "fleet", "open_door"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """SmolLM2 on llama.cpp as `smollm2`, and as `seeing` with a projector; Whisper as `whisper`; `echo`, which embeds.

    Nothing is loaded yet.
    """
    home = tmp_path_factory.mktemp("clients") / "home"
    models = {"smollm2": smollm2(), "seeing": seeing(tmp_path_factory.mktemp("seeing")), "whisper": whisper_tiny()}
    with running(home, runtimes='["llama-cpp","whisper","echo","store"]') as stack:
        for name, model in models.items():
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


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small picture of many colours."""
    path = tmp_path_factory.mktemp("picture") / "colours.png"
    path.write_bytes(png(48, 32))
    return path
