"""Starts a run as a worker does, prints its process number, and waits to be killed."""

from __future__ import annotations

import sys
import threading

from shared.runtimes import InstalledModel, RunSpec
from tests.ports import own_port
from workers.process import RunProcess
from workers.runtimes import discover

_, _name, _spec, _model = sys.argv
_plan = discover()[_name].plan(
    RunSpec.model_validate_json(_spec), InstalledModel.model_validate_json(_model), own_port()
)
_process = RunProcess.start(_plan)
print(_process.pid, flush=True)
threading.Event().wait()
