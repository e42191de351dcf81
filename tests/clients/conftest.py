"""A whole Cidermill with a real model behind it, shared by all clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.models import smollm2
from tests.stack import Stack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """SmolLM2 on llama.cpp as `smollm2`, not loaded yet, and `echo`, which embeds."""
    home = tmp_path_factory.mktemp("clients") / "home"
    with running(home, runtimes='["llama-cpp","echo","store"]') as stack:
        job = stack.submit("download", model=f"local:{smollm2().path}", name="smollm2")
        done = stack.wait(job)
        assert done["state"] == "succeeded", done["error"]
        yield stack
