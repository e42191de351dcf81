"""Models that other programs already keep on this machine: found, described, never copied and never touched.

A program is one file here, found by import, that ends with `PROGRAM = <instance>` of `contract.Program`.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import structlog

from shared.errors import InvalidInput
from shared.protocol import InstallRecord
from shared.store.discovery.contract import Candidate, Place, Program
from shared.store.discovery.describe import describe

log = structlog.get_logger()


@dataclass
class Found:
    """What a look found."""

    #: Programs whose folders were searched, whether there were any or not.
    searched: list[str]
    models: list[InstallRecord] = field(default_factory=list)
    #: What looked like a model and is none: where, and why.
    skipped: list[tuple[str, str]] = field(default_factory=list)


@cache
def programs() -> tuple[Program, ...]:
    """Every program we know, by name."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        program = getattr(importlib.import_module(f"{__name__}.{module.name}"), "PROGRAM", None)
        if program is not None:
            found.append(program)
    return tuple(sorted(found, key=lambda program: str(program.name)))


def look(
    hub_cache: Path, environment: Mapping[str, str] = os.environ, home: Path | None = None, platform: str | None = None
) -> Found:
    """Search the folders of every program; what cannot be read is skipped, and the log says why."""
    place = Place(home or Path.home(), environment, hub_cache, *([platform] if platform else []))
    found = Found([program.name for program in programs()])
    for program in programs():
        for folder in program.folders(place):
            try:
                if folder.is_dir():
                    _search(program, folder, found)
            except OSError as error:
                _skip(found, program, error.filename or folder, error.strerror or str(error))
    log.info("looked for models of other programs", found=len(found.models), skipped=len(found.skipped))
    return found


def _search(program: Program, folder: Path, found: Found) -> None:
    for candidate in program.candidates(folder):
        if isinstance(candidate, Candidate):
            try:
                found.models.append(describe(candidate, program.name))
            except InvalidInput as error:
                _skip(found, program, candidate.path, f"{error.problem.what}: {error.problem.why}")
        else:
            _skip(found, program, candidate.path, candidate.reason)


def _skip(found: Found, program: Program, path: object, reason: str) -> None:
    log.info("not a model we can use", program=program.name, path=str(path), reason=reason)
    found.skipped.append((str(path), reason))
