"""What Cidermill's own messages tell people to type exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.kinds import open_kinds
from tests.docs.command_line import check_names, find
from tests.docs.reading import ROOT

_COMMAND = re.compile(r"\bcidermill ([a-z][\w-]*(?: [^\s`;,:()]+)*)")


@pytest.mark.parametrize("folder", ["api", "cli", "scheduler", "shared", "workers"])
def test_commands_in_messages_exist(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for said in _COMMAND.findall("\n".join(_texts(path))):
            try:
                check_names(said.split())
            except LookupError as error:
                pytest.fail(f"{path.relative_to(ROOT)}: cidermill {said}: {error}")


def test_submit_names_every_kind_of_job() -> None:
    (kind,) = (param for param in find(["submit"])[0].params if param.name == "kind")
    assert set(open_kinds()) == set(re.findall(r"\w+", kind.help.partition(":")[2]))


@pytest.mark.parametrize("command", ["gc", "scan", "verify", "fit"])
def test_commands_that_mean_all_hosts_when_none_is_named_say_so(command: str) -> None:
    (host,) = (param for param in find(["models", command])[0].params if param.name == "host")
    assert host.help == "Only this host; default: all of them."


def _texts(path: Path) -> Iterator[str]:
    """Every literal of a module; what is filled in later is one word."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
