"""Our mlx-lm server in the process of a test, on a random model."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.models import random_llama
from tests.waiting import eventually

_CACHE = 1 << 24


@contextmanager
def mlx_serving(
    folder: Path, context: int, step: int, patched: pytest.MonkeyPatch, before_end: Callable[[], None] | None = None
) -> Iterator[Any]:
    """`before_end` lets go what would keep it from ending."""
    import mlx_lm.server

    from workers.runtimes.boot import mlx_server
    from workers.runtimes.boot.mlx_lm import server_arguments

    options = {"model": random_llama(folder).path, "port": 0, "context": context, "slots": 2, "prefill_step": step}
    options |= {"prompt_cache": _CACHE, "kv_bits": None, "chat_template": None}
    ran: list[Any] = []
    patched.setattr(mlx_lm.server, "ModelProvider", mlx_server.OneModel)
    patched.setattr(mlx_lm.server, "run", lambda *given: ran.extend(given))
    patched.setattr(sys, "argv", ["", *server_arguments(options)])
    mlx_lm.server.main()
    mlx_server.Handler.model_name = "babble"
    with mlx_server.Server(("127.0.0.1", 0), mlx_server.Handler) as made:
        made.generator = mlx_server.Generator(ran[-1], mlx_server.Kept(2, _CACHE))
        eventually(lambda: made.generator.is_healthy)
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        if before_end is not None:
            before_end()
        made.shutdown()
        thread.join()
        made.generator.stop_and_join()
