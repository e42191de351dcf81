"""What a lane and its keys are called."""

from __future__ import annotations


def lane_name(host: str, runtime: str) -> str:
    """The lane, and Dramatiq queue, of one runtime on one host."""
    return f"{host}.{runtime}"


def bell_key(namespace: str, lane: str) -> str:
    """The key of a lane's doorbell. No lane is called `scheduler`: their names have a dot."""
    return f"{namespace}:bell:{lane}"
