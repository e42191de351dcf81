"""Small models that are known to be good, of free licences, by the memory they take.

`recommended.json` holds them. Sizes, checksums and licences are those of the publishers' repositories; the shapes are
those of their configurations.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from shared.references import ModelRef
from shared.runtimes import InstalledModel, ModelShape, RuntimeInfo
from shared.store.disks import Wanted
from shared.units import MIB, Bytes
from shared.vocabulary import Capability, Format

#: A runtime to size the models with when somebody only names an amount of memory.
ANY_HOST = RuntimeInfo(
    name="llama-cpp",
    version="",
    formats=(Format.GGUF, Format.CTRANSLATE2),
    capabilities=(Capability.GENERATE, Capability.EMBED, Capability.TRANSCRIBE),
    default_context=8192,
    base_memory=Bytes(160 * MIB),
)


class Worth(BaseModel):
    """A model worth having, as people are told of it."""

    model_config = ConfigDict(frozen=True)

    #: What to install.
    model: str
    title: str
    #: What it is good for.
    use: str
    licence: str
    parameters: str
    size: int
    capability: Capability


class Recommended(Worth):
    """The same with what it takes to weigh it."""

    sha256: str
    format: Format = Format.GGUF
    context: int
    shape: ModelShape

    def prospect(self) -> InstalledModel:
        """As it would be once installed."""
        return InstalledModel(
            id="",
            name=ModelRef.parse(self.model).name,
            format=self.format,
            path="",
            size=Bytes(self.size),
            context=self.context,
            capabilities=(self.capability,),
            shape=self.shape,
        )

    def wanted(self) -> Wanted:
        """What a download of it would bring."""
        return Wanted(ModelRef.parse(self.model), frozenset({(self.sha256, self.size)}))


@cache
def recommended() -> tuple[Recommended, ...]:
    """All of them, the smallest first."""
    text = files("shared.store").joinpath("recommended.json").read_text(encoding="utf-8")
    return tuple(sorted((Recommended.model_validate(entry) for entry in json.loads(text)), key=lambda one: one.size))
