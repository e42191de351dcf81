"""`runtimes.md`: every runtime with what a run of it may set."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

from docs.generator.markdown import as_json, sentences
from docs.generator.models import field_table
from workers.launch.params import EngineParams
from workers.runtimes import discover

_TOP = """\
# Runtimes

For whoever loads models with more than the defaults: the engines a host can have, and the `params` that a run of each
may set, as `spec.params` of a job or run (`-p spec.params.threads=4`, or `cidermill runs start -p threads=4 MODEL`).
A runtime refuses names that it does not know, before anything starts. A host offers those that are installed on it,
unless the setting `runtimes` names fewer; `cidermill hosts show NAME` lists them with their versions.
"""


def page() -> str:
    modules = {name: sys.modules[type(runtime).__module__] for name, runtime in discover().items()}
    return "\n".join([_TOP, *(_section(name, module) for name, module in sorted(modules.items()))])


def _section(name: str, module: ModuleType) -> str:
    own = [kind for _, kind in inspect.getmembers(module, _is_params) if kind.__module__ == module.__name__]
    tables = "\n\n".join(field_table(kind) for kind in own) or "It takes no params."
    return f"## {name}\n\n{as_json(sentences(module))}\n\n{tables}\n"


def _is_params(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, EngineParams)
