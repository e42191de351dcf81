"""`scan`: look again for models that other programs keep on a host."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.store.discovery import look
from shared.vocabulary import Capability


class Scan(Kind):
    """Which host."""

    name: ClassVar[str] = "scan"
    about: ClassVar[str] = "Find models that Ollama, LM Studio, llama.cpp or other tools keep on a host."

    host: str = Field(description="The host that is searched.", max_length=64)

    def demand(self, catalog: Catalog) -> Demand:
        return Demand(capability=Capability.STORE, host=self.host)

    def run(self, context: Context) -> Result:
        context.phase("searching")
        found = look(Path(context.store().cache_dir))
        for path, reason in found.skipped:
            context.log(f"{path}: {reason}")
        names = context.fleet.found(found.searched, found.models)
        return Result(data={"host": self.host, "models": names, "skipped": len(found.skipped)})
