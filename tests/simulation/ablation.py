"""Guards taken away, one at a time: what they allow then must be seen."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shared import guards

Guard = Callable[..., Any]


def all_guards() -> dict[str, Guard]:
    """Every public function of `shared.guards`."""
    return {
        name: function
        for name, function in inspect.getmembers(guards, inspect.isfunction)
        if function.__module__ == guards.__name__ and not name.startswith("_")
    }


@contextmanager
def without(name: str) -> Iterator[None]:
    """A world where this guard lets everything pass: no conditions, and yes to every question."""
    guard = all_guards()[name]
    asks = inspect.signature(guard).return_annotation == "bool"
    setattr(guards, name, lambda *_, **__: True if asks else [])
    try:
        yield
    finally:
        setattr(guards, name, guard)
