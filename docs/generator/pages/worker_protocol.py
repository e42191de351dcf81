"""`worker-protocol.md`: what agents and workers say to the front door."""

from __future__ import annotations

import inspect
from enum import Enum
from types import ModuleType

from pydantic import BaseModel

from docs.generator.markdown import code, sentences
from docs.generator.models import field_table, inner_models
from shared import protocol
from shared.store import wire

_TOP = """\
# Worker protocol

For whoever writes a worker, or wants to know what goes over the LAN. {protocol}

Each host has a token, made by `cidermill hosts join NAME`. Answers of 5xx, and no answer, mean *later*: agents and
workers repeat with back-off, and keep on disk what they could not report. 401 means a wrong token, 409 that another
agent speaks for this host. Repeating any call is harmless.

## Models on disk

{store}
"""


def page() -> str:
    own = [kind for module in (protocol, wire) for kind in vars(module).values() if _is_own(kind, module)]
    messages = [kind for kind in own if _is(kind, BaseModel) and not kind.__name__.startswith("_")]
    parts = dict.fromkeys(part for kind in messages for part in inner_models(kind) if part not in messages)
    words = [kind for kind in own if _is(kind, Enum)]
    return "\n".join(
        [
            _TOP.format(protocol=inspect.getdoc(protocol), store=inspect.getdoc(wire)),
            "## Messages\n",
            *(_section(kind) for kind in messages),
            "## Parts of messages\n",
            *(_section(kind) for kind in parts),
            "## Words\n",
            *(f"**{kind.__name__}**: {', '.join(code(str(one.value)) for one in kind)}.\n" for kind in words),
        ]
    )


def _section(kind: type[BaseModel]) -> str:
    return f"### {kind.__name__}\n\n{_said(kind)}{field_table(kind)}\n"


def _is_own(value: object, module: ModuleType) -> bool:
    return getattr(value, "__module__", "") == module.__name__


def _is(value: object, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)


def _said(kind: type[BaseModel]) -> str:
    return f"{sentences(kind)}\n\n" if "__doc__" in vars(kind) and kind.__doc__ else ""
