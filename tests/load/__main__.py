"""`make bench`: every load test, or the ones named. Exit status 1 when a figure is short of its target."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator

from tests import load
from tests.load.figure import Figure


def measures() -> list[str]:
    """Load tests by name: the modules here that offer `figures()`."""
    names = [module.name for module in pkgutil.iter_modules(load.__path__)]
    return [name for name in names if name.startswith("measure_")]


def measure(name: str) -> Iterator[Figure]:
    yield from importlib.import_module(f"tests.load.{name}").figures()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    available = [name.removeprefix("measure_") for name in measures()]
    parser.add_argument("only", nargs="*", choices=[*available, []], help="load tests to run; all when none is named")
    wanted = parser.parse_args().only or available
    short = 0
    for name in wanted:
        for figure in measure(f"measure_{name}"):
            sys.stdout.write(figure.line() + "\n")
            sys.stdout.flush()
            short += figure.short
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
