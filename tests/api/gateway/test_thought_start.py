"""Whether answers begin inside a thought, asked of the engine once."""

from __future__ import annotations

import asyncio

from api.gateway.engine_client import EngineClient
from api.gateway.routing import Reach
from api.gateway.seats import Seat
from api.gateway.thought_start import ThoughtStarts
from workers.port import free_port


def test_what_clients_write_into_a_request_is_not_remembered() -> None:
    seat = Seat("run_1", 1, "studio", "echo", "echo", 0, Reach(f"http://127.0.0.1:{free_port()}"), {})
    starts = ThoughtStarts(EngineClient())
    asyncio.run(starts.inside(seat, {"chat_template_kwargs": {"x": "y" * 100_000}}))
    assert len(repr(starts._known)) < 1000
