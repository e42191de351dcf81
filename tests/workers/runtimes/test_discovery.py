"""Runtimes are found by import, and cost a worker nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import workers.runtimes
from shared.errors import InvalidParameters
from shared.runtimes import RunSpec
from tests.models import ECHO
from workers.runtimes import discover

_LIBRARIES = {"numpy", "mlx", "mlx_lm", "mlx_audio", "faster_whisper", "ctranslate2", "xllamacpp", "av", "transformers"}


def test_every_runtime_has_a_file_and_the_name_it_is_found_by() -> None:
    found = discover()
    assert {"echo", "llama-cpp", "mlx-lm", "whisper", "store"} <= set(found)
    assert all(runtime.name == name for name, runtime in found.items())


def test_finding_and_probing_them_imports_no_engine() -> None:
    code = (
        "import sys; from workers.runtimes import discover\n"
        "for runtime in discover().values(): runtime.probe()\n"
        f"print({_LIBRARIES!r} & set(sys.modules))"
    )
    said = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"


def test_a_file_that_cannot_be_imported_is_told_and_the_others_still_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken_engine.py").write_text("import no_such_library\n")
    (tmp_path / "empty_engine.py").write_text("")
    monkeypatch.setattr(workers.runtimes, "__path__", [*workers.runtimes.__path__, str(tmp_path)])
    with caplog.at_level(logging.WARNING):
        assert "echo" in discover()
    assert "no_such_library" in caplog.text
    assert "empty_engine.py" in caplog.text


def test_the_store_has_nothing_to_run() -> None:
    store = discover()["store"]
    info = store.probe()
    assert info is not None
    assert info.lane_slots == 4
    assert info.formats == ()
    with pytest.raises(InvalidParameters, match="loads no models"):
        store.plan(RunSpec(), ECHO, 1)
