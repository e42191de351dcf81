"""`store`: the host's disk, where downloads go. It has no process and loads no model."""

from __future__ import annotations

from importlib.metadata import version

from shared.errors import InvalidParameters, Problem
from shared.runtimes import InstalledModel, LaunchPlan, RunSpec, RuntimeInfo
from shared.vocabulary import Capability
from workers.launch.diagnosis import COMMON, diagnose


class Store:
    name = "store"

    def probe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name=self.name,
            version=version("huggingface-hub"),
            formats=(),
            capabilities=(Capability.STORE,),
            max_slots=1,
            lane_slots=4,
        )

    def plan(self, spec: RunSpec, model: InstalledModel, port: int) -> LaunchPlan:
        """Always raises InvalidParameters: there is nothing to run."""
        raise InvalidParameters(
            "The store loads no models",
            f"{model.name} was to be loaded by it, but it only keeps downloads",
            "leave `runtime` out, or name one that generates, embeds or transcribes",
            field="runtime",
        )

    def diagnose(self, exit_code: int | None, stderr_tail: str) -> Problem:
        return diagnose(self.name, COMMON, exit_code, stderr_tail)


RUNTIME = Store()
