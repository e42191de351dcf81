"""When a part is ready: asked of the front door, which sees them all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from cli.up.child import Child
from shared.errors import Unavailable
from shared.trust import TRUST_IT, distrust, trust

#: Seconds a part may take to become ready; a slow disk with a cold cache needs several.
_PATIENCE = 60.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Address:
    """Where the front door is, and a file of certificates that vouch for its own."""

    url: str
    trusted: Path | None = None


#: What `/health` said.
Health = dict[str, Any]


def await_api(door: Address, child: Child) -> None:
    """Wait until the front door answers. Raises Unavailable when its process ends first, or in time says nothing."""
    _await(door, child, lambda health: health["database"]["ok"])


def await_leader(door: Address, child: Child) -> None:
    """Wait until a scheduler leads. Raises as `await_api` does."""
    _await(door, child, lambda health: health["scheduler"]["ok"])


def await_host(door: Address, child: Child) -> None:
    """Wait until a host is up. Raises as `await_api` does."""
    _await(door, child, lambda health: health["hosts_up"] > 0)


def _await(door: Address, child: Child, ready: Callable[[Health], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    with httpx2.Client(base_url=door.url, timeout=2.0, trust_env=False, verify=trust(door.trusted)) as client:
        while time.monotonic() < deadline:
            if child.deaths:
                raise _died(child)
            health = _health(client)
            if health is not None and ready(health):
                return
            time.sleep(_LOOK_SECONDS)
    raise Unavailable(
        f"The {child.part.name} did not become ready",
        f"{_PATIENCE:.0f} s passed; the last it said: {child.last_words.splitlines()[-1:] or 'nothing'}",
        "run it by hand to see more: cidermill " + child.part.name,
    )


def _health(client: httpx2.Client) -> Health | None:
    """What the front door says of itself; `None` while it does not answer. A part that is down answers 503.

    Raises Unavailable when its certificate is not for the address that we call.
    """
    try:
        answer = client.get("/health")
    except httpx2.TransportError as error:
        if (why := distrust(error)) is not None:
            raise Unavailable(f"The front door cannot be called at {client.base_url}", why, TRUST_IT) from error
        return None
    body: Health = answer.json()
    return body if "status" in body else None


def _died(child: Child) -> Unavailable:
    return Unavailable(
        f"The {child.part.name} did not start",
        child.last_words or "it ended without a word",
        f"correct what it says above, or run it by hand: cidermill {child.part.name}",
    )
