"""What is in the logs, and what never is."""

from __future__ import annotations

import subprocess
import sys

import pytest

_FAIL = """
import logging
from shared.logs import configure_logs
from shared.settings import Settings

def serve(request):
    raise KeyError("model")

configure_logs(Settings(log_format="{form}"), "api")
try:
    serve({{"authorization": "Bearer cm-" + "secret"}})
except KeyError:
    logging.getLogger().exception("it broke")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_where_and_not_with_what(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", _FAIL.format(form=form)], capture_output=True, text=True, check=True)
    assert "it broke" in done.stderr
    assert "KeyError: 'model'" in done.stderr
    assert "Bearer" not in done.stderr.replace('"Bearer cm-" + "secret"', "")
    assert "cm-secret" not in done.stderr


_END = """
from shared.logs import configure_logs, told_whole
from shared.settings import Settings

def serve():
    with told_whole():
        configure_logs(Settings(log_format="json"), "api")
        open("/nowhere/at/all")

try:
    serve()
except OSError:
    print("and it goes on")
"""


def test_what_ends_a_service_is_in_its_log_with_where() -> None:
    done = subprocess.run([sys.executable, "-c", _END], capture_output=True, text=True, check=True)
    assert "FileNotFoundError" in done.stderr
    assert "in serve" in done.stderr
    assert done.stdout == "and it goes on\n"
