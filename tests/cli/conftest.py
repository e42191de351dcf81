"""A whole Cidermill for the commands to talk to."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import cidermill
from tests.stack import Stack


@dataclass(frozen=True)
class Mill:
    """A running Cidermill with one host that offers the echo and store runtimes."""

    stack: Stack
    home: Path

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run one command against it."""
        return cidermill(self.home, "--url", self.stack.url, *arguments, **options)

    def json(self, *arguments: str) -> Any:
        """The one object that a command prints with --json."""
        return json.loads(self(*arguments, "--json").stdout)

    def lines(self, *arguments: str) -> list[Any]:
        """The objects that a command prints with --json, one per line."""
        return [json.loads(line) for line in self(*arguments, "--json").stdout.splitlines()]


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    home = tmp_path_factory.mktemp("mill")
    stack = Stack(home, f"sqlite:///{home / 'cidermill.db'}")
    try:
        yield Mill(stack.begin(), home)
    finally:
        stack.end()
